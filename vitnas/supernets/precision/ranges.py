"""Ranges: what calibration saw of the activations that each product takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite

import torch
from torch import Tensor, nn

from vitnas.errors import DataError
from vitnas.supernets.precision.operands import Operands, Substitute
from vitnas.supernets.precision.products import Place, ProductCall, run_network
from vitnas.supernets.precision.rounding import rounded_activation, step_and_zero

BINS = 2048
TAILS = (0.0, 1e-5, 1e-4, 1e-3, 1e-2)
"""Which share of the numbers may be cut off at an end; the one that leaves the least squared error is taken."""

NUM_IMAGES, BATCH_SIZE = 128, 32

CHUNK = 2**23
"""Numbers that are counted at once: single precision counts no further than 2 ** 24."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often numbers occur between two ends.

    Attributes:
        low: the least number.
        high: the largest.
        counts: (BINS,), how many lie in each of as many equal parts.
    """

    low: float
    high: float
    counts: Tensor
    _found: dict[int, tuple[float, float]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, values: Tensor) -> Histogram:
        """That of some numbers."""
        low, high = (float(end) for end in values.aminmax())
        if not (isfinite(low) and isfinite(high)):
            raise DataError(
                f"activations reach from {low} to {high}, so they have no range to be rounded in; train with a smaller learning rate, "
                "or leave the layer in float"
            )
        counts = torch.zeros(BINS, dtype=torch.float64)
        for part in torch.split(values.float().flatten(), CHUNK):
            counts += torch.histc(part, BINS, low, high).double().cpu()
        return cls(low, high, counts)

    @property
    def centres(self) -> Tensor:
        """(BINS,): the middle of each part."""
        return self.low + (self.high - self.low) * (torch.arange(BINS, dtype=torch.float64) + 0.5) / BINS

    def joined(self, other: Histogram) -> Histogram:
        """That of the numbers of both; each part moves as a whole to the one that its middle falls into."""
        low, high = min(self.low, other.low), max(self.high, other.high)
        width = (high - low) / BINS
        counts = torch.zeros(BINS, dtype=torch.float64)
        for one in (self, other):
            place = ((one.centres - low) / width).long().clamp(0, BINS - 1) if width > 0 else torch.zeros(BINS).long()
            counts.index_add_(0, place, one.counts)
        return Histogram(low, high, counts)

    def ends(self, bits: int) -> tuple[float, float]:
        """Between which ends codes of so many bits leave the least squared error."""
        if bits not in self._found:
            self._found[bits] = self._best_ends(bits)
        return self._found[bits]

    def _best_ends(self, bits: int) -> tuple[float, float]:
        values, total = self.centres, self.counts.sum()
        below = self.counts.cumsum(0) / total
        lows = {self.low} | {float(values[(below > tail).nonzero()[0, 0]]) for tail in TAILS[1:]}
        highs = {self.high} | {float(values[(below < 1 - tail).sum().clamp(max=BINS - 1)]) for tail in TAILS[1:]}
        pairs = sorted({(min(low, 0.0), max(high, 0.0)) for low in lows for high in highs})
        return min(pairs, key=lambda ends: (self._error(values, ends, bits), ends[0] - ends[1]))

    def _error(self, values: Tensor, ends: tuple[float, float], bits: int) -> float:
        off = rounded_activation(values.float(), *step_and_zero(*ends, bits), bits) - values
        return float(off.square() @ self.counts)


@dataclass(frozen=True, eq=False)
class Ranges:
    """What was seen of the input of every product.

    Attributes:
        seen: by the place of the product.
        num_images: how many images were looked at.
    """

    seen: Mapping[Place, Histogram]
    num_images: int

    def codes(self, place: Place, bits: int) -> tuple[float, int]:
        """The scale and the zero point of the input of a product in codes of so many bits."""
        if place not in self.seen:
            site, number = place
            raise DataError(
                f"no range was measured for product {number} of site '{site}'; calibrate on the network that is quantised"
            )
        return step_and_zero(*self.seen[place].ends(bits), bits)

    def __iter__(self) -> Iterator[Place]:
        return iter(self.seen)

    def joined(self, other: Ranges) -> Ranges:
        """What both saw."""
        seen = dict(self.seen)
        for place, one in other.seen.items():
            seen[place] = seen[place].joined(one) if place in seen else one
        return Ranges(seen, self.num_images + other.num_images)


class _Measure(Substitute):
    def __init__(self, site: str, operands: Operands, seen: dict[Place, Histogram]) -> None:
        super().__init__(site, operands)
        self.seen = seen

    def product(self, call: ProductCall) -> Tensor:
        place, one = (self.site, call.number), Histogram.of(call.input)
        self.seen[place] = self.seen[place].joined(one) if place in self.seen else one
        return super().product(call)


@torch.no_grad()
def calibrate(network: nn.Module, batches: Iterable[Tensor], operands: Operands = Operands()) -> Ranges:
    """Runs images through a chain of layers in float.

    Args:
        network: in evaluation mode; a site is known by the name of its layer.
        batches: images (N, C, H, W), some at a time.
        operands: what stands in for its weights.
    """
    seen: dict[Place, Histogram] = {}
    num_images = 0
    for x in batches:
        num_images += len(x)
        run_network(network, x, lambda site: _Measure(site, operands, seen))
    if not num_images:
        raise DataError("ranges are measured on images; give at least one")
    return Ranges(seen, num_images)
