"""Power of two: even steps, in each channel the least one shifted by a few bits, for what a LayerNorm takes (FQ-ViT)."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor

from vitnas.supernets.quantisers.quantiser import Role, check_values
from vitnas.supernets.quantisers.uniform import UniformQuantiser, steps_of

MOST_SHIFTS = 3


class PowerOfTwo(UniformQuantiser):
    """The step of a channel is ``2 ** shifts`` times that of the finest, with at most three shifts; the zero point is one for all.

    So whole numbers of all channels are brought to one step by shifts, and mean and variance of a LayerNorm are sums of these.
    """

    roles: ClassVar[frozenset[Role]] = frozenset({Role.INPUTS})
    executed: ClassVar[frozenset[Role]] = frozenset()

    @classmethod
    def fit(
        cls, values: Tensor, bits: int, axis: int | None = None, symmetric: bool = False, clip: bool = True
    ) -> Self:
        seen = check_values(values, bits, most=16)
        rows = seen.flatten()[None] if axis is None else seen.movedim(axis, 0).flatten(1)
        rows = rows.double()
        shape = () if axis is None else tuple(-1 if i == axis % seen.ndim else 1 for i in range(seen.ndim))
        found = []
        for low, high in cls.ranges(rows.flatten()[None], clip, symmetric):
            widest, zero = steps_of(low, high, bits, symmetric)
            scales = torch.stack([widest.expand(len(rows), 1) * 2.0**-n for n in range(MOST_SHIFTS + 1)])
            errors = torch.stack([(cls(s, zero, bits, symmetric)(rows) - rows).square().mean(dim=1) for s in scales])
            least, which = errors.min(dim=0)
            found.append((float(least.sum()), scales[which, torch.arange(len(rows))], zero))
        _, scale, zero = min(found, key=lambda one: one[0])
        return cls(scale.float().view(shape), zero.float().view(()), bits, symmetric)
