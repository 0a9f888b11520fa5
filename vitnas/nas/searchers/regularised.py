"""Regularised evolution (Real et al., 2019): the oldest die, however good they are, so lucky evaluations do not stay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.searchers.evolving import Evolving
from vitnas.nas.searchers.ranking import best_first
from vitnas.search_spaces import Codes

ASKED = 0.25
"""The share of the population that takes part in a tournament, as the published 25 of 100."""


class RegularisedEvolution(Evolving):
    """The `population` latest archs; each child differs in one gene from the best of a few drawn ones."""

    def _keep(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        return np.arange(max(0, len(values) - self.population), len(values))

    def _breed(self, n: int) -> Codes:
        merit = np.empty(len(self._codes), dtype=np.intp)
        merit[best_first(self._values)] = np.arange(len(self._codes))
        size = max(2, round(ASKED * len(self._codes)))
        asked = self.rng.integers(len(self._codes), size=(n, size))
        best = asked[np.arange(n), merit[asked].argmin(axis=1)]
        return self.space.genome.mutate(self._codes[best], self.rng, 0.0)
