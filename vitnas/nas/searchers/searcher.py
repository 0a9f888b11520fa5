"""Searcher: asked for archs, told how good they are; never leaves the space or the limits, never repeats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.nas.limits import Limits
from vitnas.search_spaces import Codes, SearchSpace
from vitnas.search_spaces.reach import ENUMERABLE

TRIES = 12
LOOKED_AROUND = 64


class Searcher(ABC):
    """Proposes archs of a space that keep its limits, each at most once.

    A subclass proposes raw codes and learns from results; this class repairs, removes what was
    seen before and looks into corners when proposals run dry, so `ask` ends in every space.
    """

    def __init__(self, space: SearchSpace, limits: Limits, seed: int | Sequence[int], population: int = 64) -> None:
        """Starts without knowledge.

        Args:
            space: where archs come from.
            limits: what they may cost.
            seed: the same seed gives the same archs for the same results.
            population: how many archs a method that keeps a population keeps.
        """
        if population < 2:
            raise SearchError(f"a population of {population} cannot be searched with; give at least 2")
        self.space = space
        self.limits = limits
        self.population = population
        self.rng = np.random.default_rng(seed)
        self._seen: set[bytes] = set()
        self._latest = space.genome.empty(0)

    def ask(self, n: int) -> Codes:
        """Up to n new archs in canonical form; fewer, or none, when no more are to be found."""
        if n < 1:
            raise SearchError(f"cannot ask for {n} archs; ask for at least one")
        found = self.space.genome.empty(0)
        for _ in range(TRIES):
            if len(found) == n:
                break
            proposed = self._propose(n - len(found))
            if len(proposed) == 0:
                break
            found = np.concatenate([found, self._new(self.limits.repair(proposed, self.rng), n - len(found))])
        if len(found) < n:
            found = np.concatenate([found, self._new(self._leftovers(), n - len(found))])
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
        self._seen.update(row.tobytes() for row in np.ascontiguousarray(codes, dtype=np.int16))

    @abstractmethod
    def _propose(self, n: int) -> Codes:
        """About n archs, in any form: they are repaired, and those seen before are dropped."""

    @abstractmethod
    def _learn(self, codes: Codes, objectives: NDArray[np.float64]) -> None: ...

    def _new(self, codes: Codes, most: int) -> Codes:
        """The first `most` rows that were never given out, which they now are."""
        fresh: list[int] = []
        for i, row in enumerate(np.ascontiguousarray(codes, dtype=np.int16)):
            if len(fresh) == most:
                break
            key = row.tobytes()
            if key not in self._seen:
                self._seen.add(key)
                fresh.append(i)
        return codes[fresh]

    def _leftovers(self) -> Codes:
        """Archs to fall back to: of a small space all that keep the limits, else those near the latest ones."""
        genome = self.space.genome
        if genome.size() <= ENUMERABLE:
            codes = genome.enumerate()
        else:
            around = [genome.neighbours(row) for row in (*self.limits.cheapest, *self._latest)]
            codes = np.unique(np.concatenate(around), axis=0)
        codes = codes[self.limits.allow(codes)]
        return codes[self.rng.permutation(len(codes))]
