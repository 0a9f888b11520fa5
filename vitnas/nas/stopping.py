"""Stopping: when a search has had enough before its evaluations are spent."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.objectives import non_dominated
from vitnas.nas.pareto.hypervolume import hypervolume, reference_point

Floats = NDArray[np.float64]

HARDLY = 1e-3
"""A hypervolume that grows by no more than this fraction counts as not growing."""


class Stopping:
    """Watches the clock and the hypervolume.

    The reference point and the scale of objectives are those of the first archs, so figures of one search compare.
    """

    def __init__(self, seconds: float, patience: int) -> None:
        """Starts the clock.

        Args:
            seconds: that the search may take; 0 for no end.
            patience: batches in a row that may hardly add to the hypervolume; 0 for no end.
        """
        self._end = time.monotonic() + seconds if seconds else np.inf
        self._patience = patience
        self._reference: Floats | None = None
        self._scale: Floats | None = None
        self._front = np.empty((0, 0))
        self._volumes: list[float] = []

    def look(self, values: Floats, anew: bool = False) -> None:
        """A batch has ended.

        Args:
            values: the objectives of its archs, ``(n, k)`` to minimise.
            anew: whether they are those of all archs so far, because figures of earlier ones have changed.
        """
        if self._reference is None or self._scale is None:
            if len(values) == 0:
                return
            best, worst = values.min(axis=0), values.max(axis=0)
            self._scale = np.where(worst > best, worst - best, 1.0)
            self._reference = reference_point(values / self._scale)
        values = values / self._scale
        if not anew:
            values = np.concatenate([self._front.reshape(-1, values.shape[1]), values])
        self._front = values[non_dominated(values)]
        self._volumes.append(hypervolume(self._front, self._reference))

    @property
    def hypervolume(self) -> float:
        """The latest, in units of the range of the first archs."""
        return self._volumes[-1] if self._volumes else 0.0

    @property
    def out_of_time(self) -> bool:
        return time.monotonic() > self._end

    @property
    def reason(self) -> str | None:
        """Why to stop, or None."""
        if self.out_of_time:
            return "the time is over"
        if self._patience and len(self._volumes) > self._patience:
            before, now = self._volumes[-1 - self._patience], self._volumes[-1]
            if now <= before * (1 + HARDLY):
                return f"{self._patience} batches hardly added to the hypervolume"
        return None
