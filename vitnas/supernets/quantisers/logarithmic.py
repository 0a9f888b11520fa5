"""Quantisers whose values are powers: of 2, of its root, or of a base that is searched."""

from __future__ import annotations

import torch
from torch import Tensor


def powers(top: float, step: float, bits: int) -> tuple[Tensor, Tensor]:
    """The values ``top * 2 ** (-step * code)`` in rising order, and their bounds, halfway between exponents.

    The least of the ``2 ** bits`` values is 0. Released codes add it as a further one: 17 values of 4 bits.
    """
    codes = torch.arange(2**bits - 2, -1, -1, dtype=torch.float64)
    values = torch.cat([torch.zeros(1, dtype=torch.float64), top * torch.exp2(-step * codes)])
    return values, top * torch.exp2(-step * (codes + 0.5))
