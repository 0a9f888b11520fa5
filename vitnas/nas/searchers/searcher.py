"""Searcher: asked for archs, told how good they are; never leaves the space or the limits, never repeats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.nas.problem import Problem
from vitnas.search_spaces import Codes
from vitnas.search_spaces.cost_range import ENUMERABLE
from vitnas.search_spaces.genome import keys

LOOKED_AROUND = 16


class Searcher(ABC):
    """Proposes archs of a space that keep its limits, each at most once.

    A subclass proposes raw codes and learns from results; this class repairs, removes what was
    seen before and looks into corners when proposals run dry, so `ask` ends in every space.

    Attributes:
        over_predictions: whether it is worth while on predictions too, where asking for many archs costs little.
        tries: how often it is asked to propose before corners are looked into.
    """

    over_predictions: ClassVar[bool] = True
    tries: ClassVar[int] = 4

    def __init__(self, problem: Problem, seed: int | Sequence[int], population: int = 64) -> None:
        """Starts without knowledge.

        Args:
            problem: what is searched.
            seed: the same seed gives the same archs for the same results.
            population: how many archs a method that keeps a population keeps.
        """
        if population < 2:
            raise SearchError(f"a population of {population} cannot be searched with; give at least 2")
        self.problem = problem
        self.space = problem.space
        self.limits = problem.limits
        self.population = population
        self.rng = np.random.default_rng(seed)
        self._seen: set[bytes] = set()
        self._latest = self.space.genome.empty(0)

    @classmethod
    def check(cls, problem: Problem) -> None:
        """Refuses what cannot be searched so, as far as it shows before anything is learned; limits are checked here too."""
        problem.limits  # noqa: B018

    def ask(self, n: int) -> Codes:
        """Up to n new archs in canonical form; fewer, or none, when no more are to be found."""
        if n < 1:
            raise SearchError(f"cannot ask for {n} archs; ask for at least one")
        found = self.space.genome.empty(0)
        for _ in range(self.tries):
            if len(found) == n:
                break
            proposed = self._propose(n - len(found))
            if len(proposed) == 0:
                break
            found = np.concatenate([found, self._new(self.limits.repair(proposed, self.rng), n - len(found))])
        for leftovers in (self._nearby, self._everything):
            if len(found) < n:
                found = np.concatenate([found, self._new(leftovers(), n - len(found))])
        if len(found):
            self._latest = found[-LOOKED_AROUND:]
        return found

    def tell(self, codes: Codes, objectives: NDArray[np.float64]) -> None:
        """Learns results, of archs that were asked for or of others; they are not proposed again.

        Args:
            codes: ``(n, columns)``.
            objectives: ``(n, k)``, all to minimise, finite.
        """
        values = np.asarray(objectives, dtype=np.float64)
        if values.ndim != 2 or len(values) != len(codes) or not np.isfinite(values).all():
            raise SearchError(
                f"need finite objectives of shape (archs, objectives) for {len(codes)} archs, got shape {values.shape}"
                "; leave out archs whose evaluation failed"
            )
        self.skip(codes)
        if len(codes):
            self._learn(codes, values)

    def skip(self, codes: Codes) -> None:
        """Never proposes these archs."""
        self._seen.update(keys(codes))

    @abstractmethod
    def _propose(self, n: int) -> Codes:
        """About n archs, in any form: they are repaired, and those seen before are dropped."""

    @abstractmethod
    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None: ...

    def _new(self, codes: Codes, most: int) -> Codes:
        """The first `most` rows that were never given out, which they now are."""
        fresh = self._unseen(codes)[:most]
        self.skip(fresh)
        return fresh

    def _unseen(self, codes: Codes) -> Codes:
        """The distinct rows that were neither given out nor told, in their order."""
        first: dict[bytes, int] = {}
        for i, key in enumerate(keys(codes)):
            if key not in self._seen:
                first.setdefault(key, i)
        return codes[list(first.values())]

    def _nearby(self) -> Codes:
        """Archs to fall back to: those near the latest ones."""
        codes = self.space.genome.around(np.concatenate([self.limits.cheapest, self._latest]))
        codes = codes[self.limits.allow(codes)]
        return codes[self.rng.permutation(len(codes))]

    def _everything(self) -> Codes:
        """Archs to fall back to at last: all, where the space is small enough to be listed."""
        if self.space.genome.size() > ENUMERABLE:
            return self.space.genome.empty(0)
        return self._every[self.rng.permutation(len(self._every))]

    @cached_property
    def _every(self) -> Codes:
        """All of a space that can be listed, as far as it keeps the limits."""
        codes = self.space.genome.enumerate()
        return codes[self.limits.allow(codes)]
