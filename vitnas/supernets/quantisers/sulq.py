"""Shift-uniform-log2: even steps of the logarithm of shifted numbers (I&S-ViT)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from vitnas.supernets.quantisers.quantiser import Role, TableQuantiser

SHIFTS = (0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class ShiftUniformLog2(TableQuantiser):
    """``2 ** exponent - shift``, with exponents in even steps from the least to the largest number seen.

    As its authors release it, exponents are rounded to whole numbers so that a product is a shift, which leaves fewer
    values than there are codes: about 9 of 16 after a softmax. `unrounded` has all of them.

    Attributes:
        shift: is added before the logarithm.
    """

    roles: ClassVar[frozenset[Role]] = frozenset({Role.SOFTMAX})

    shift: float

    @classmethod
    def candidates(cls, values: Tensor, bits: int) -> Iterable[Self]:
        return [cls.of(values, bits, shift, whole=True) for shift in SHIFTS]

    @classmethod
    def unrounded(cls, values: Tensor, bits: int) -> Self:
        """The best with exponents that are no whole numbers, of which no shift makes products."""
        seen = values.flatten().double()
        return min((cls.of(seen, bits, shift, whole=False) for shift in SHIFTS), key=lambda one: one.error(seen))

    @classmethod
    def of(cls, values: Tensor, bits: int, shift: float, whole: bool) -> Self:
        least, most = float(values.min().clamp(min=0)), float(values.max().clamp(min=0))
        ends = torch.log2(torch.tensor([least + shift, most + shift], dtype=torch.float64))
        exponents = torch.linspace(float(ends[0]), float(ends[1]), 2**bits, dtype=torch.float64)
        bounds = torch.exp2((exponents[1:] + exponents[:-1]) / 2)
        stands = torch.exp2(exponents.round() if whole else exponents)
        return cls(stands - shift, bounds - shift, shift)
