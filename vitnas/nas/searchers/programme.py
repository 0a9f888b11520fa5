"""Programme: the best arch at every limit, exactly, where importance and costs add up over layers (as Puzzle has it)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.nas.problem import Problem
from vitnas.nas.searchers.integer_programme import LOOSE, TIGHT, IntegerProgramme
from vitnas.nas.searchers.searcher import Searcher
from vitnas.search_spaces import Codes
from vitnas.search_spaces.adding_up import site_values
from vitnas.search_spaces.cost_range import evaluate, measure_reach

STEPS = 4096
"""Limits between the least and the most that are told apart."""


class Programme(Searcher):
    """Proposes, for one limit after the other, the arch that keeps most importance below it.

    The first limit is the largest; the next ones halve what lies between, so that the first few are spread over the
    whole range. Results are not learned from: importance says all.
    """

    over_predictions = False

    def __init__(self, problem: Problem, seed: int | Sequence[int], population: int = 64) -> None:
        """Sets up the programme.

        Args:
            problem: with the importance of archs, see `vitnas.supernets.pruning.importances`, and costs that add up.
            seed: of the archs by which it is found out what every layer costs.
            population: not used.
        """
        if problem.importance is None:
            raise SearchError(
                "programme weighs what a trained supernet has learned, and none is given; train one with "
                "`vitnas train-supernet`, or choose another searcher"
            )
        super().__init__(problem, seed, population)
        self._programme = IntegerProgramme(self.space)
        self._scarce = problem.scarce()
        self._costs = _costs(problem, self._programme)
        importance, _ = site_values(self.space, "importance", problem.importance, problem.seed)
        self._losses = -self._programme.coefficients(importance)[0]
        self._reach = self.limits.reach.get(self._scarce) or measure_reach(
            self.space, self._scarce, problem.costs[self._scarce], np.random.default_rng(problem.seed)
        )
        self._most = min(self._reach.most, problem.maxima.get(self._scarce, np.inf))
        self._ladder = _halving(STEPS)
        self._solved: list[tuple[float, float]] = []

    @classmethod
    def check(cls, problem: Problem) -> None:
        """Refuses spaces that make too large a programme, and costs that do not add up."""
        super().check(problem)
        _costs(problem, IntegerProgramme(problem.space))

    def _propose(self, n: int) -> Codes:
        found = self.space.genome.empty(0)
        for share in self._ladder:
            limit = self._reach.least + share * (self._most - self._reach.least)
            if any(cost <= limit <= most for cost, most in self._solved):
                continue  # the arch that was best below a larger limit keeps this one as well
            row, proven = self._solve(limit)
            if row is None:
                if proven:
                    self._solved.append((-np.inf, limit))
                continue
            cost = float(evaluate(self._scarce, self.problem.costs[self._scarce], row[None])[0])
            self._solved.append((cost, limit))
            found = np.concatenate([found, row[None]])
            if len(found) == n:
                break
        return found

    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        pass

    def best_below(self, limit: float) -> NDArray[np.int16] | None:
        """The arch of most importance whose scarce cost is at most `limit`, and which keeps all other limits; None if none does."""
        return self._solve(limit)[0]

    def _solve(self, limit: float) -> tuple[NDArray[np.int16] | None, bool]:
        """The same, and whether it is proven: not so where rounding alone decides whether an arch keeps the limits."""
        for slack in (LOOSE, TIGHT):
            limits = []
            for quantity, (values, beside) in self._costs.items():
                most = limit if quantity == self._scarce else self.problem.maxima[quantity]
                room = slack * (float(np.abs(values).max()) or 1.0)
                limits.append((values, most - beside + room))
            row = self._programme.best(self._losses, limits)
            if row is None:
                return None, slack == LOOSE
            if self._keeps(row, limit):
                return row, True
        return None, False

    def _keeps(self, row: NDArray[np.int16], limit: float) -> bool:
        scarce = evaluate(self._scarce, self.problem.costs[self._scarce], row[None])[0]
        return bool(scarce <= limit and self.limits.allow(row[None])[0])


def _costs(problem: Problem, programme: IntegerProgramme) -> dict[str, tuple[NDArray[np.float64], float]]:
    """Of what is saved and of what is limited, a number for every variable, and what is added whatever they are."""
    found = {}
    for quantity in dict.fromkeys((problem.scarce(), *problem.maxima)):
        table, beside = site_values(problem.space, quantity, problem.costs[quantity], problem.seed)
        values, more = programme.coefficients(table)
        found[quantity] = values, beside + more
    return found


def _halving(steps: int) -> Iterator[float]:
    """1, 0, then what halves the gaps that are left: 1/2, 1/4, 3/4, 1/8, ..."""
    yield from (1.0, 0.0)
    parts = 2
    while parts <= steps:
        yield from (k / parts for k in range(1, parts, 2))
        parts *= 2
