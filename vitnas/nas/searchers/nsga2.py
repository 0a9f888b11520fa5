"""NSGA-II: pymoo's selection and survival over the genome's own crossover and mutation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo import nsga2 as pymoo
from pymoo.core.crossover import Crossover
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem

from vitnas.nas.limits import Limits
from vitnas.nas.searchers.searcher import Searcher
from vitnas.search_spaces import Codes, SearchSpace
from vitnas.search_spaces.codes import Genome


class NSGA2(Searcher):
    """Keeps the `population` best by non-domination and crowding, and breeds from tournaments among them.

    As long as fewer than that are known, it samples at random.
    """

    def __init__(self, space: SearchSpace, limits: Limits, seed: int | Sequence[int], population: int = 64) -> None:
        super().__init__(space, limits, seed, population)
        self._algorithm = pymoo.NSGA2(
            pop_size=population, crossover=_CrossOver(space.genome), mutation=_Mutate(space.genome)
        )
        self._algorithm.random_state = self.rng  # tournaments break ties with it
        self._problem: Any = None
        self._parents = Population.empty()

    def _propose(self, n: int) -> Codes:
        if len(self._parents) < self.population:
            return self.space.genome.sample(n, self.rng)
        bred = self._algorithm.mating._do(
            self._problem, self._parents, n, algorithm=self._algorithm, random_state=self.rng
        )
        codes: Codes = np.asarray(bred.get("X"), dtype=np.int16)
        return codes

    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        if self._problem is None:
            self._problem = Problem(n_var=codes.shape[1], n_obj=objectives.shape[1], n_ieq_constr=0)
        told = Population.new(X=codes.astype(np.int16), F=objectives, G=np.zeros((len(codes), 0)))
        self._parents = self._algorithm.survival.do(
            self._problem,
            Population.merge(self._parents, told),
            n_survive=self.population,
            algorithm=self._algorithm,
            random_state=self.rng,
        )


class _CrossOver(Crossover):  # type: ignore[misc]
    def __init__(self, genome: Genome) -> None:
        super().__init__(2, 2, prob=0.9)
        self._genome = genome

    def _do(self, problem: Any, X: NDArray[np.int16], *, random_state: np.random.Generator, **_: Any) -> Any:
        left, right = X
        return np.stack([self._genome.cross_over(a, b, random_state) for a, b in ((left, right), (right, left))])


class _Mutate(Mutation):  # type: ignore[misc]
    """About one gene in each arch changes: at least one does."""

    def __init__(self, genome: Genome) -> None:
        super().__init__(prob=0.9)
        self._genome = genome
        self._rate = 1 / max(1, len(genome.columns))

    def _do(self, problem: Any, X: NDArray[np.int16], *, random_state: np.random.Generator, **_: Any) -> Any:
        return self._genome.mutate(X, random_state, self._rate)
