"""Codebook: the values that k-means finds, as palettes of weights have them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

import torch
from torch import Tensor

from vitnas.supernets.quantisers.quantiser import Role, TableQuantiser, between

ROUNDS = 30


class Codebook(TableQuantiser):
    """Each value is the mean of the numbers that it stands for. Core ML keeps weights so, and computes with the values."""

    roles: ClassVar[frozenset[Role]] = frozenset({Role.WEIGHTS})
    executed: ClassVar[frozenset[Role]] = frozenset({Role.WEIGHTS})

    @classmethod
    def candidates(cls, values: Tensor, bits: int) -> Iterable[Self]:
        """The numbers themselves where they are few.

        Otherwise from even ranks, which serve crowded numbers, and from even steps, which serve those at the ends.
        """
        distinct = torch.unique_consecutive(values)
        if len(distinct) <= 2**bits:
            return [cls(distinct, between(distinct))]
        even = torch.linspace(0, 1, 2**bits, dtype=values.dtype)
        least, most = values[0], values[-1]
        ranks = values[(even * (len(values) - 1)).round().long()]
        return [cls._settled(values, start) for start in (ranks, least + even * (most - least))]

    @classmethod
    def _settled(cls, ordered: Tensor, centres: Tensor) -> Self:
        for _ in range(ROUNDS):
            codes = torch.bucketize(ordered, between(centres))
            counts = torch.bincount(codes, minlength=len(centres))
            sums = torch.bincount(codes, ordered, minlength=len(centres))
            # A value that stands for nothing stays where it is.
            moved = torch.where(counts > 0, sums / counts.clamp(min=1), centres).sort().values
            if torch.equal(moved, centres):
                break
            centres = moved
        return cls(centres, between(centres))
