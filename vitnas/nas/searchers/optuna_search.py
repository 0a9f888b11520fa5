"""Samplers of Optuna as searchers: what was evaluated becomes trials of a study in memory."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import Trial, TrialState, create_trial

from vitnas.nas.problem import Problem
from vitnas.nas.searchers.searcher import Searcher
from vitnas.search_spaces import OFF, Codes
from vitnas.search_spaces.gene import Column


class OptunaSearch(Searcher):
    """One parameter a column: a whole number where choices are numbers, which have an order, else a category.

    A proposal stays a running trial until results come, so that those of one batch keep apart; then it makes way for
    what was really evaluated, which repair may have made another arch.
    """

    over_predictions = False
    tries = 2
    flat = False
    """Whether columns that are switched off are parameters too, of the lowest code."""

    def __init__(self, problem: Problem, seed: int | Sequence[int], population: int = 64) -> None:
        super().__init__(problem, seed, population)
        self._distributions = [_distribution(column) for column in self.space.columns]
        self._study: optuna.Study | None = None
        self._running: list[Trial] = []

    @abstractmethod
    def _sampler(self, seed: int) -> optuna.samplers.BaseSampler: ...

    def _propose(self, n: int) -> Codes:
        if self._study is None:
            return self.space.genome.sample(n, self.rng)
        rows = []
        for _ in range(n):
            self._running.append(self._study.ask())
            rows.append(self._row(self._running[-1]))
        codes = self.limits.repair(np.stack(rows), self.rng)
        # A sampler may insist on archs that are known; their mutants are not far.
        return np.concatenate([codes, self.space.genome.mutate(codes, self.rng, 0.0)])

    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        if self._study is None:
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                sampler = self._sampler(int(self.rng.integers(2**31)))
            self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * objectives.shape[1])
        for trial in self._running:
            self._study.tell(trial, state=TrialState.FAIL)
        self._running.clear()
        for row, values in zip(codes.tolist(), objectives.tolist(), strict=True):
            on = [i for i, code in enumerate(row) if self._is_parameter(i, code)]
            self._study.add_trial(
                create_trial(
                    params={self.space.columns[i].name: max(row[i], 0) for i in on},
                    distributions={self.space.columns[i].name: self._distributions[i] for i in on},
                    values=values,
                )
            )

    def _row(self, trial: Trial) -> NDArray[np.int16]:
        """What a trial suggests; where its parent does not allow a code, the nearest that it allows."""
        row = np.full(len(self.space.columns), OFF, dtype=np.int16)
        for i, column in enumerate(self.space.columns):
            allowed = np.flatnonzero(column.allowed[0 if column.parent is None else row[column.parent], :-1])
            code = OFF if len(allowed) == 0 else 0
            if self._is_parameter(i, code):
                code = trial._suggest(column.name, self._distributions[i])
            if len(allowed):
                row[i] = allowed[np.abs(allowed - code).argmin()]
        return row

    def _is_parameter(self, i: int, code: int) -> bool:
        return len(self.space.columns[i].choices) > 1 and (self.flat or code != OFF)


def _distribution(column: Column) -> BaseDistribution:
    if all(isinstance(choice, int | float) for choice in column.choices):
        return IntDistribution(0, max(len(column.choices) - 1, 0))
    return CategoricalDistribution(range(len(column.choices)))
