"""Tangent: fine steps at both ends of attention (DopQ-ViT's TanQ, as we read it)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar, Self

import torch
from torch import Tensor

from vitnas.supernets.quantisers.quantiser import Role, TableQuantiser, tops

BENDS = (0.3, 0.6, 0.9, 1.1, 1.25, 1.35, 1.42, 1.47, 1.5, 1.53)
"""From almost even steps to almost all of them at the ends, which the half of pi would be."""


class Tangent(TableQuantiser):
    """Even steps of ``tan(bend * (2 x / top - 1))``, which is steep near 0 and near the top.

    The paper describes resolution at both ends and gives no code; the formula is our reading of it.
    """

    roles: ClassVar[frozenset[Role]] = frozenset({Role.SOFTMAX})

    @classmethod
    def candidates(cls, values: Tensor, bits: int) -> Iterable[Self]:
        return [cls.bent(top, bend, bits) for top in tops(values) for bend in BENDS]

    @classmethod
    def bent(cls, top: float, bend: float, bits: int) -> Self:
        def back(even: Tensor) -> Tensor:
            return top * (1 + torch.atan(even * math.tan(bend)) / bend) / 2

        even = torch.linspace(-1, 1, 2**bits, dtype=torch.float64)
        values = back(even)
        values[0] = 0.0  # but for rounding it is
        return cls(values, back((even[1:] + even[:-1]) / 2))
