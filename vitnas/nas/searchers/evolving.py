"""Evolving: children of the archs that were kept, by tournament, crossover and mutation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.problem import Problem
from vitnas.nas.searchers.searcher import Searcher
from vitnas.search_spaces import Codes

CROSSED = 0.9
MUTATED = 0.9


class Evolving(Searcher):
    """Keeps at most `population` archs and breeds from them; a subclass says which those are.

    As long as fewer than that are known, it samples at random.
    """

    def __init__(self, problem: Problem, seed: int | Sequence[int], population: int = 64) -> None:
        super().__init__(problem, seed, population)
        self._codes = self.space.genome.empty(0)
        self._values = np.empty((0, 0))

    @abstractmethod
    def _keep(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Positions of the rows that live on, the best first."""

    def _propose(self, n: int) -> Codes:
        if len(self._codes) < self.population:
            return self.space.genome.sample(n, self.rng)
        return self._breed(n)

    def _breed(self, n: int) -> Codes:
        """About one gene changes in most children of two parents, and at least one in what would be a parent again."""
        genome = self.space.genome
        left, right = self._codes[self._chosen(n)], self._codes[self._chosen(n)]
        alone = self.rng.random(n) >= CROSSED
        right[alone] = left[alone]
        children = genome.cross_over(left, right, self.rng)
        changed = repeats(children, left, right) | (self.rng.random(n) < MUTATED)
        children[changed] = genome.mutate(children[changed], self.rng, 1 / max(1, len(genome.columns)))
        return children

    def _chosen(self, n: int) -> NDArray[np.intp]:
        """The better of two each time: of rows that stand in order of merit the earlier."""
        asked: NDArray[np.intp] = self.rng.integers(len(self._codes), size=(2, n))
        better: NDArray[np.intp] = asked.min(axis=0)
        return better

    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        known = self._values.reshape(-1, objectives.shape[1])
        codes, values = np.concatenate([self._codes, codes]), np.concatenate([known, objectives])
        kept = self._keep(values)
        self._codes, self._values = codes[kept], values[kept]


def repeats(children: Codes, left: Codes, right: Codes) -> NDArray[np.bool_]:
    """Which children are one of their parents again."""
    same: NDArray[np.bool_] = (children == left).all(axis=1) | (children == right).all(axis=1)
    return same
