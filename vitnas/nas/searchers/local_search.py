"""Local search: looks around the best arch that was not looked around yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.problem import Problem
from vitnas.nas.searchers.ranking import best_first
from vitnas.nas.searchers.searcher import Searcher
from vitnas.search_spaces import Codes


class LocalSearch(Searcher):
    """Best first: neighbours in random order, first of the front, then of what lies behind it.

    So a local optimum is no end: the next best arch is looked around instead. Nothing is known at first, and
    `population` archs are drawn at random.
    """

    def __init__(self, problem: Problem, seed: int | Sequence[int], population: int = 64) -> None:
        super().__init__(problem, seed, population)
        self._codes = self.space.genome.empty(0)
        self._values = np.empty((0, 0))
        self._done = np.empty(0, dtype=np.bool_)

    def _propose(self, n: int) -> Codes:
        if len(self._codes) < self.population:
            return self.space.genome.sample(n, self.rng)
        found: list[Codes] = []
        num_found = 0
        ahead = best_first(self._values)
        for i in ahead[~self._done[ahead]]:
            if num_found >= n:
                break
            around = self._unseen(self.limits.repair(self.space.genome.neighbours(self._codes[i]), self.rng))
            found.append(around[self.rng.permutation(len(around))])
            num_found += len(around)
            self._done[i] = num_found <= n  # else the rest of them are left for the next time
        return np.concatenate(found) if found else self.space.genome.sample(n, self.rng)

    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        known = self._values.reshape(-1, objectives.shape[1])
        self._codes, self._values = np.concatenate([self._codes, codes]), np.concatenate([known, objectives])
        self._done = np.append(self._done, np.zeros(len(codes), dtype=np.bool_))
