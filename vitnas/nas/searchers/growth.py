"""Growth (As-ViT, Chen et al., 2022): from a small arch upward by training-free scores, a whole family in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.problem import Problem
from vitnas.nas.searchers.searcher import Searcher
from vitnas.search_spaces import OFF, Arch, Codes
from vitnas.search_spaces.cost_range import evaluate

Scores = Callable[[Sequence[Arch]], dict[str, NDArray[np.float64]]]


class Growth(Searcher):
    """Deepens and widens an arch of least cost, and proposes every step; then other archs, kept small where they grow.

    Training-free scores decide (see `vitnas.predictors.proxies.grow`), so results are not learned from; scoring builds
    networks and needs torch.
    """

    over_predictions = False

    def __init__(
        self, problem: Problem, seed: int | Sequence[int], population: int = 64, *, scores: Scores | None = None
    ) -> None:
        """Starts without knowledge.

        Args:
            problem: its space has genes whose names begin with ``depth`` or ``width``; the limit on its scarce cost is
                the budget.
            seed: of what else there is to choose, after the first family.
            population: not used.
            scores: what to rank by instead of NTK and length distortion.
        """
        super().__init__(problem, seed, population)
        self._quantity = problem.scarce()
        self._cost = problem.costs[self._quantity]
        self._budget = problem.maxima.get(self._quantity, np.inf)
        self._scores = scores
        self._path = self.space.genome.empty(0)
        self._start = self.limits.cheapest[0]

    def _propose(self, n: int) -> Codes:
        from vitnas.predictors.proxies.grow import grow

        if len(self._path) == 0:
            family = grow(
                self.space,
                self.space.decode(self._start[None])[0],
                self._budget,
                lambda codes: evaluate(self._quantity, self._cost, codes),
                seed=int(self.rng.integers(2**31)),
                scores=self._scores,
            )
            self._path = self.space.encode([grown.arch for grown in family])
            self._start = self._seedling()
        given, self._path = self._path[:n], self._path[n:]
        return given

    def _seedling(self) -> NDArray[np.int16]:
        """A random arch, as shallow and narrow as may be."""
        row = self.space.genome.sample(1, self.rng)
        for i, column in enumerate(self.space.columns):
            if column.gene.split(".")[0] in ("depth", "width") and row[0, i] != OFF:
                row[0, i] = 0
        fitting: NDArray[np.int16] = self.limits.repair(row, self.rng)[0]
        return fitting

    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        pass
