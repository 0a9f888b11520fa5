"""Uniform: even steps, the one quantiser whose products runtimes compute in integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from vitnas.supernets.quantisers.quantiser import RANKS, SHARES, Quantiser, Role, check_values

LEAST_STEP = torch.finfo(torch.float32).tiny * 2**16


@dataclass(frozen=True, eq=False)
class UniformQuantiser(Quantiser):
    """``scale * (code - zero_point)``, with a whole zero point, so that 0 stays 0.

    Attributes:
        scale: the step; one number, or one a channel.
        zero_point: the code of 0.
        bits: of a code.
        symmetric: whether the code 0 is left out, so that there are as many values above 0 as below.
    """

    roles: ClassVar[frozenset[Role]] = frozenset(Role)
    executed: ClassVar[frozenset[Role]] = frozenset(Role)

    scale: Tensor
    zero_point: Tensor
    bits: int
    symmetric: bool = False

    @classmethod
    def fit(
        cls, values: Tensor, bits: int, axis: int | None = None, symmetric: bool = False, clip: bool = True
    ) -> Self:
        """The best of some ranges.

        Args:
            values: to be fitted to.
            bits: of a code.
            axis: where its channels are, each of which gets a step of its own; by default all have one.
            symmetric: whether the range is the same on both sides of 0, as weights have it.
            clip: whether numbers at the ends may be cut off.
        """
        seen = check_values(values, bits, most=16)
        rows = seen.flatten()[None] if axis is None else seen.movedim(axis, 0).flatten(1)
        rows = rows.double()
        shape = () if axis is None else tuple(-1 if i == axis % seen.ndim else 1 for i in range(seen.ndim))
        best, scale, zero = None, torch.empty(0), torch.empty(0)
        for low, high in cls.ranges(rows, clip, symmetric):
            s, z = steps_of(low, high, bits, symmetric)
            error = (cls(s, z, bits, symmetric)(rows) - rows).square().mean(dim=1, keepdim=True)
            if best is None:
                best, scale, zero = error, s, z
            else:
                better = error < best
                best = torch.where(better, error, best)
                scale, zero = torch.where(better, s, scale), torch.where(better, z, zero)
        return cls(scale.float().view(shape), zero.float().view(shape), bits, symmetric)

    @classmethod
    def ranges(cls, rows: Tensor, clip: bool, symmetric: bool) -> list[tuple[Tensor, Tensor]]:
        """Ends of each row to choose from, 0 between them; the first cut nothing off."""
        low, high = rows.amin(dim=1, keepdim=True).clamp(max=0), rows.amax(dim=1, keepdim=True).clamp(min=0)
        found = [(low * share, high * share) for share in (SHARES if clip else SHARES[:1])]
        if clip:
            ranks = torch.tensor(RANKS, dtype=rows.dtype)
            above, below = torch.quantile(rows, ranks, dim=1), torch.quantile(rows, 1 - ranks, dim=1)
            found += [(b[:, None].clamp(max=0), a[:, None].clamp(min=0)) for a, b in zip(above, below, strict=True)]
        if symmetric:
            found = [(-torch.maximum(-b, a), torch.maximum(-b, a)) for b, a in found]
        return found

    def encode(self, x: Tensor) -> Tensor:
        return torch.clamp(torch.round(x / self.scale) + self.zero_point, int(self.symmetric), 2**self.bits - 1)

    def decode(self, codes: Tensor) -> Tensor:
        return self.scale * (codes - self.zero_point)


def steps_of(low: Tensor, high: Tensor, bits: int, symmetric: bool) -> tuple[Tensor, Tensor]:
    """Scales and zero points of codes that reach from the low ends to the high ones."""
    if symmetric:
        half = 2 ** (bits - 1)
        return (high / (half - 1)).clamp(min=LEAST_STEP), torch.full_like(high, half)
    scale = ((high - low) / (2**bits - 1)).clamp(min=LEAST_STEP)
    return scale, torch.round(-low / scale)
