"""Latency-driven slimming (EfficientFormer, Li et al., 2022): from the largest arch downward, the cheapest loss first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.nas.problem import Problem
from vitnas.nas.searchers.searcher import Searcher
from vitnas.search_spaces import Codes, SearchSpace
from vitnas.search_spaces.cost_range import CostOf


class Slimming(Searcher):
    """Takes away, choice by choice, what loses least importance for every unit of cost that it saves.

    All archs on the way that keep the limits are proposed, from the costliest on. When the way down from the largest
    arch is used up, it starts from random ones. Results are not learned from: importance says all.
    """

    over_predictions = False

    def __init__(
        self, problem: Problem, seed: int | Sequence[int], population: int = 64, *, adjacent: bool = False
    ) -> None:
        """Starts without knowledge.

        Args:
            problem: with the importance of archs, see `vitnas.supernets.pruning.importances`; its scarce cost is saved.
            seed: of the archs to start from after the largest.
            population: not used.
            adjacent: take one choice a step from each gene instead of jumping over some.
        """
        if problem.importance is None:
            raise SearchError(
                "slimming weighs what a trained supernet has learned, and none is given; train one with "
                "`vitnas train-supernet`, or choose another searcher"
            )
        super().__init__(problem, seed, population)
        self._importance = problem.importance
        self._adjacent = adjacent
        self._cost = problem.costs[problem.scarce()]
        self._path = self.space.genome.empty(0)
        self._start = self.space.encode([self.space.largest()])[0]

    def _propose(self, n: int) -> Codes:
        if len(self._path) == 0:
            path = slim(self.space, self._start, self._importance, self._cost, self._adjacent)
            self._path = path[self.limits.allow(path)]
            self._start = self.space.genome.sample_evenly(1, self.rng)[0]
        given, self._path = self._path[:n], self._path[n:]
        return given

    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        pass


def slim(
    space: SearchSpace, start: NDArray[np.int16], importance: CostOf, cost: CostOf, adjacent: bool = False
) -> Codes:
    """All archs on the way down from one, itself included, each a neighbour of the one before and cheaper.

    Args:
        space: of the archs.
        start: the first.
        importance: what archs keep.
        cost: what is saved.
        adjacent: whether a step goes to the next choice of a gene only. Far jumps lose more than importance says, as it
            is the sum of what single weights matter; in rounds of pruning and training small steps are taken.
    """
    near_of = space.genome.adjacent if adjacent else space.genome.neighbours
    path = [start]
    while True:
        near = near_of(path[-1])
        if len(near) == 0:
            return np.stack(path)
        costs, values = (np.asarray(of(np.vstack([path[-1:], near])), dtype=np.float64) for of in (cost, importance))
        saved = costs[0] - costs[1:]
        cheaper = saved > 0
        if not cheaper.any():
            return np.stack(path)
        loss = np.where(cheaper, (values[0] - values[1:]) / np.where(cheaper, saved, 1.0), np.inf)
        path.append(near[loss.argmin()])
