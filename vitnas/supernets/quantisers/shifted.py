"""Shifted: channels are centred and made alike to a degree before one step serves them all (MPTQ-ViT)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from torch import Tensor

from vitnas.supernets.quantisers.quantiser import Role, check_values
from vitnas.supernets.quantisers.uniform import LEAST_STEP, UniformQuantiser

STRENGTH = 0.5
"""Of channels being made alike, as in SmoothQuant."""


@dataclass(frozen=True, eq=False)
class Shifted(UniformQuantiser):
    """``shift + scale * code`` with codes the same on both sides of the shift, which is the middle of its channel.

    No code was found: the shift is our reading. A LayerNorm absorbs shifts and scales, and the product behind it takes the scales
    and gains ``weight @ shift`` as a bias.

    Attributes:
        shift: that is taken away before a number is encoded, one a channel.
    """

    roles: ClassVar[frozenset[Role]] = frozenset({Role.INPUTS})
    executed: ClassVar[frozenset[Role]] = frozenset()

    shift: Tensor = field(default_factory=lambda: torch.zeros(()))

    @classmethod
    def fit(
        cls,
        values: Tensor,
        bits: int,
        axis: int | None = None,
        symmetric: bool = True,
        clip: bool = True,
        weight: Tensor | None = None,
    ) -> Self:
        """The best of some ranges.

        Args:
            values: to be fitted to.
            bits: of a code.
            axis: where its channels are.
            symmetric: they are, about the shift.
            clip: whether numbers at the ends may be cut off.
            weight: (out, in) that takes over the scales of the channels; without one, these are made wholly alike.
        """
        seen = check_values(values, bits, most=16)
        others = tuple(i for i in range(seen.ndim) if axis is None or i != axis % seen.ndim)
        low, high = seen.amin(dim=others, keepdim=axis is not None), seen.amax(dim=others, keepdim=axis is not None)
        shift, tiny = (high + low) / 2, LEAST_STEP**0.5
        half = ((high - low) / 2).clamp(min=tiny)
        alike = half
        if weight is not None and axis is not None:
            alike = half**STRENGTH / weight.abs().amax(dim=0).clamp(min=tiny).view(half.shape) ** (1 - STRENGTH)
        one = UniformQuantiser.fit((seen - shift) / alike, bits, symmetric=True, clip=clip)
        return cls((one.scale * alike).clamp(min=LEAST_STEP), one.zero_point, bits, True, shift)

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x - self.shift)

    def decode(self, codes: Tensor) -> Tensor:
        return super().decode(codes) + self.shift
