"""Exhaustive search: every arch that keeps the limits, for spaces small enough to list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.nas.problem import Problem
from vitnas.nas.searchers.searcher import Searcher
from vitnas.search_spaces import Codes
from vitnas.search_spaces.cost_range import ENUMERABLE


class Exhaustive(Searcher):
    """Lists the space in the order of its codes."""

    def __init__(self, problem: Problem, seed: int | Sequence[int], population: int = 64) -> None:
        super().__init__(problem, seed, population)
        size = self.space.genome.size()
        if size > ENUMERABLE:
            raise SearchError(
                f"space '{self.space.name}' has {size:,} archs, too many to search exhaustively (at most {ENUMERABLE:,}); "
                "choose another searcher, or keep genes to fewer choices"
            )
        self._waiting = self._every

    def _propose(self, n: int) -> Codes:
        given, self._waiting = self._waiting[:n], self._waiting[n:]
        return given

    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        pass
