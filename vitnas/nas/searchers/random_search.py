"""Random search: the baseline that every searcher must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.searchers.searcher import Searcher
from vitnas.search_spaces import Codes


class RandomSearch(Searcher):
    """Draws every gene uniformly; learns nothing."""

    def _propose(self, n: int) -> Codes:
        return self.space.genome.sample(n, self.rng)

    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        pass
