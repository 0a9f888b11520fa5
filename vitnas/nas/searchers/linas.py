"""LINAS: another searcher walks over predictions, true evaluations are spent on what it finds best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError
from vitnas.nas.objectives import non_dominated
from vitnas.nas.problem import Problem
from vitnas.nas.searchers.nsga2 import NSGA2
from vitnas.nas.searchers.searcher import Searcher
from vitnas.nas.selection import best_and_apart
from vitnas.predictors import Predictor
from vitnas.predictors.gp import GP
from vitnas.search_spaces import Codes
from vitnas.search_spaces.cost_range import evaluate

OPTIMISM = 0.5
"""Standard deviations by which a prediction is taken for better than its mean, so that the unknown is looked into."""


class Linas(Searcher):
    """Alternates a predictor and true evaluations, as DyNAS-T does (Cummings et al., 2022).

    Objectives that a table knows are read from it; each other one has a predictor, fitted anew on
    all results so far. Where nothing can be learned yet, archs are drawn at random.

    Attributes:
        inner: searches over predictions.
        generations: how many of its generations for every batch.
        mutants: share of a batch that is bred from the true front instead, so that it goes on where a predictor sees
            nothing.
    """

    over_predictions = False

    def __init__(
        self,
        problem: Problem,
        seed: int | Sequence[int],
        population: int = 64,
        *,
        inner: type[Searcher] = NSGA2,
        predictor: type[Predictor] = GP,
        generations: int = 100,
        mutants: float = 0.2,
    ) -> None:
        """Starts without knowledge.

        Args:
            problem: what is searched.
            seed: the same seed gives the same archs for the same results.
            population: archs a generation of the inner searcher.
            inner: searches over predictions, started anew for every batch.
            predictor: learns the objectives that no cost gives.
            generations: of the inner searcher.
            mutants: share of a batch.
        """
        super().__init__(problem, seed, population)
        self.inner = inner
        self._predictor = predictor
        self.generations = generations
        self.mutants = mutants
        self._codes = self.space.genome.empty(0)
        self._values = np.empty((0, len(problem.objectives)))
        self._learned = 0

    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        self._codes = np.concatenate([self._codes, codes])
        self._values = np.concatenate([self._values, objectives])

    def _propose(self, n: int) -> Codes:
        if len(self._codes) == self._learned:  # nothing new to learn from, the same walk would find the same
            return self.space.genome.sample(n, self.rng)
        self._learned = len(self._codes)
        try:
            predictors = [self._fit(i) for i in range(len(self.problem.objectives))]
        except DataError:
            return self.space.genome.sample(n, self.rng)
        pool, values = self._walk(predictors)
        front = self._codes[non_dominated(self._values)]
        parents = front[self.rng.integers(len(front), size=round(self.mutants * n))]
        mutants = self.space.genome.mutate(parents, self.rng, 0.0)
        return np.concatenate([pool[best_and_apart(values, n - len(mutants))], mutants])

    def _fit(self, i: int) -> Predictor | None:
        if self.problem.objectives[i].name in self.problem.costs:
            return None
        also = () if self.problem.importance is None else (self.problem.importance,)
        return self._predictor(self.space).reading(*also).fit(self._codes, self._values[:, i])

    def _walk(self, predictors: Sequence[Predictor | None]) -> tuple[Codes, NDArray[np.float64]]:
        """All archs not yet evaluated that the inner searcher came by, with what is expected of them."""

        def expect(codes: Codes) -> NDArray[np.float64]:
            columns = []
            for objective, predictor in zip(self.problem.objectives, predictors, strict=True):
                if predictor is None:
                    name = objective.name
                    columns.append(objective.sign * evaluate(name, self.problem.costs[name], codes))
                else:
                    expected = predictor.predict(codes)
                    columns.append(expected.mean - OPTIMISM * expected.std)
            return np.stack(columns, axis=1)

        walker = self.inner(self.problem, int(self.rng.integers(2**62)), self.population)
        walker.tell(self._codes, expect(self._codes))
        codes, values = [self.space.genome.empty(0)], [np.empty((0, len(self.problem.objectives)))]
        for _ in range(self.generations):
            found = walker.ask(self.population)
            if len(found) == 0:
                break
            codes.append(found)
            values.append(expect(found))
            walker.tell(found, values[-1])
        return np.concatenate(codes), np.concatenate(values)
