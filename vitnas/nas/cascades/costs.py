"""What the parts of a cascade take on a device, by the latency table of whole networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import Arch, LayerSpec, SearchSpace
from vitnas.search_spaces.cascades.parts import CascadePart

Floats = NDArray[np.float64]


class PartCosts:
    """Milliseconds of parts: the sum of their layers as the table calibrates it, and what a call costs beside them.

    The first part takes what its arch takes alone. Each further one is a call more.

    Attributes:
        call_ms: of a further part beside its layers.
        error: relative standard deviation of whole networks.
    """

    def __init__(self, space: SearchSpace, table: LatencyTable) -> None:
        self._space = space
        self._latency_ms, self._std_ms = table.latency_ms(space), table.latency_std_ms(space)
        self._layers: dict[LayerSpec, float] = dict(
            zip(space.lowering.specs, table.layers_ms(space).tolist(), strict=True)
        )
        self.call_ms = max(table.header.overhead_ms, table.header.calibration.intercept_ms)

    def __call__(self, parts: Sequence[CascadePart]) -> Floats:
        first, *rest = parts
        whole = float(self._latency_ms(self._space.encode([first.arch]))[0])
        return np.array([whole, *(max(0.0, self._of_layers(part)) + self.call_ms for part in rest)])

    def alone(self, archs: Sequence[Arch]) -> Floats:
        """What each arch takes as a network by itself."""
        return np.asarray(self._latency_ms(self._space.encode(archs)), dtype=np.float64)

    def error(self, part: CascadePart) -> float:
        """The relative standard deviation that the table states for an arch."""
        codes = self._space.encode([part.arch])
        return float(self._std_ms(codes)[0] / max(float(self._latency_ms(codes)[0]), 1e-12))

    def _of_layers(self, part: CascadePart) -> float:
        return sum(self._layers[spec] for spec in part.blueprint.layers[part.start :])


@dataclass(frozen=True)
class Milliseconds:
    """What images take in a cascade.

    Attributes:
        expected: the mean.
        p90: what nine of ten images do not exceed.
        worst: an image that no arch but the last is sure of.
    """

    expected: float
    p90: float
    worst: float


def milliseconds(exits: NDArray[np.int64], parts_ms: Floats) -> Milliseconds:
    """From which arch answers each image: parts before it have run as well."""
    until = np.cumsum(parts_ms)
    each = until[exits]
    return Milliseconds(float(each.mean()), float(np.quantile(each, 0.9, method="inverted_cdf")), float(until[-1]))


def reach(exits: NDArray[np.int64], count: int) -> tuple[float, ...]:
    """The share of images that come to each of so many parts."""
    return tuple(float((exits >= part).mean()) for part in range(count))
