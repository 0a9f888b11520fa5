"""Counts of whole populations, by table look-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.search_spaces import Codes, SearchSpace
from vitnas.supernets.counting.cache import count_specs
from vitnas.supernets.counting.counts import Counts


@dataclass(frozen=True)
class PopulationCounts:
    """`Counts` of many archs, one array each."""

    num_params: NDArray[np.int64]
    macs: NDArray[np.int64]
    weight_bytes: NDArray[np.int64]
    activation_bytes: NDArray[np.int64]
    bitops: NDArray[np.int64]


class PopulationCounter:
    """Counts whole populations of a space by table look-up; the tables are built once and kept on disk."""

    def __init__(self, space: SearchSpace) -> None:
        each = count_specs(space)
        total = space.lowering.total
        self._num_params = total(_column(each, "num_params"))
        self._macs = total(_column(each, "macs"))
        self._weight_bytes = total(_column(each, "weight_bytes"))
        self._activation_bytes = space.lowering.peak(_column(each, "activation_bytes"))
        self._bitops = total(_column(each, "bitops"))

    def __call__(self, codes: Codes) -> PopulationCounts:
        costs = (self._num_params, self._macs, self._weight_bytes, self._activation_bytes, self._bitops)
        return PopulationCounts(*(cost(codes).astype(np.int64, copy=False) for cost in costs))


def _column(counts: Sequence[Counts], name: str) -> NDArray[np.int64]:
    return np.array([getattr(c, name) for c in counts], dtype=np.int64)
