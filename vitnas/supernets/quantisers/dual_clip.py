"""Dual clip: even steps whose range is cut at either end by itself, in each channel (RepQuant)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from vitnas.supernets.quantisers.quantiser import SHARES, Role
from vitnas.supernets.quantisers.uniform import UniformQuantiser


class DualClip(UniformQuantiser):
    """Its authors learn both ends by gradients; here each pair of shares is tried, and the least squared error decides."""

    roles: ClassVar[frozenset[Role]] = frozenset({Role.INPUTS})
    executed: ClassVar[frozenset[Role]] = frozenset()

    @classmethod
    def ranges(cls, rows: Tensor, clip: bool, symmetric: bool) -> list[tuple[Tensor, Tensor]]:
        found = super().ranges(rows, clip, symmetric)
        if not clip or symmetric:
            return found
        low, high = found[0]
        return [*found, *((low * below, high * above) for below in SHARES for above in SHARES if below != above)]
