"""Twin uniform: two step sizes, one for the small or negative numbers and one for the others (PTQ4ViT)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

import torch
from torch import Tensor

from vitnas.supernets.quantisers.quantiser import Role, TableQuantiser, between, tops

LEAST_OF_GELU = 0.16997
"""How far a GELU goes below 0."""
SPLITS = 20


class Twin(TableQuantiser):
    """The first bit of a code chooses one of two uniform regions.

    After a softmax they meet at ``2 ** -m`` with m searched: below are fine steps, above those of the whole range. Released code adds
    both regions instead of choosing one, so that every number is too large by the split; here one is chosen. After a GELU
    negative numbers have a fixed step, and the step of the others is searched.
    """

    roles: ClassVar[frozenset[Role]] = frozenset({Role.SOFTMAX, Role.GELU})

    @classmethod
    def candidates(cls, values: Tensor, bits: int) -> Iterable[Self]:
        half = 2 ** (bits - 1)
        if float(values.min()) < 0:
            return [cls.beside_zero(top, half) for top in tops(values)]
        return [cls.split_at(2.0**-m, half) for m in range(1, SPLITS)]

    @classmethod
    def split_at(cls, split: float, half: int) -> Self:
        """For numbers from 0 to 1: `half` values from 0 to the split, the others above it."""
        steps = torch.arange(half, dtype=torch.float64) / (half - 1)
        low, high = steps * split, steps[steps > split]
        bounds = torch.cat([between(low), torch.tensor([split], dtype=torch.float64), between(high)])
        return cls(torch.cat([low, high]), bounds)

    @classmethod
    def beside_zero(cls, top: float, half: int) -> Self:
        """For numbers after a GELU: `half` values below 0, the others from 0 to `top`."""
        low = torch.arange(-half, 0, dtype=torch.float64) / half * LEAST_OF_GELU
        high = torch.arange(half, dtype=torch.float64) / (half - 1) * top
        values = torch.cat([low, high])
        return cls(values, between(values))
