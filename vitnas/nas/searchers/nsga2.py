"""NSGA-II (Deb et al., 2002): the archs that live on are the least dominated, among equals those that stand apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.searchers.evolving import Evolving
from vitnas.nas.searchers.ranking import best_first


class NSGA2(Evolving):
    """For one to three objectives: fronts in order, the last one thinned by crowding."""

    def _keep(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        return best_first(values)[: self.population]
