"""NSGA-III (Deb and Jain, 2014): as NSGA-II, but spread along reference directions, for three objectives and more."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival
from pymoo.core.population import Population
from pymoo.util.ref_dirs import get_reference_directions

from vitnas.nas.searchers.evolving import Evolving
from vitnas.nas.searchers.ranking import best_first


class NSGA3(Evolving):
    """Evenly spread directions from the best corner; of each the archs nearest to it live on (pymoo's survival)."""

    _survival: ReferenceDirectionSurvival | None = None

    def _keep(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        if values.shape[1] == 1:
            return best_first(values)[: self.population]
        if self._survival is None:
            self._survival = ReferenceDirectionSurvival(_directions(values.shape[1], self.population))
        rows = Population.new(X=np.arange(len(values))[:, None], F=values)
        lived = self._survival._do(None, rows, n_survive=self.population, random_state=self.rng)
        return np.asarray(lived.get("X"), dtype=np.intp).reshape(-1)[: self.population]

    def _chosen(self, n: int) -> NDArray[np.intp]:
        """Any of them: what lived on stands each for a direction of its own."""
        return self.rng.integers(len(self._codes), size=n)


def _directions(objectives: int, most: int) -> NDArray[np.float64]:
    """The finest even grid over the simplex with at most so many points, at least its corners."""
    parts = 1
    while math.comb(parts + objectives, objectives - 1) <= most:
        parts += 1
    return np.asarray(get_reference_directions("das-dennis", objectives, n_partitions=parts), dtype=np.float64)
