"""Ranking: archs in order of merit when there is more than one objective."""

from __future__ import annotations

import numpy as np
from moocore import pareto_rank  # type: ignore[import-untyped]
from numpy.typing import NDArray


def fronts(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """For each row of ``(n, k)`` values to minimise its front: 0 for those that none beats, 1 for those that only these beat."""
    if values.shape[1] == 1:
        return np.unique(values[:, 0], return_inverse=True)[1].reshape(-1)
    return np.asarray(pareto_rank(np.ascontiguousarray(values)), dtype=np.intp)


def crowding(values: NDArray[np.float64], front: NDArray[np.intp]) -> NDArray[np.float64]:
    """How far apart the neighbours of each row are within its front; infinite at the ends (Deb et al., 2002)."""
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.lexsort((column, front))
        ordered, at = column[order], front[order]
        first = np.append(True, at[1:] != at[:-1])
        last = np.append(first[1:], True)
        place = np.cumsum(first) - 1
        span = (ordered[last] - ordered[first])[place]
        gap = np.append(ordered[1:], np.inf) - np.append(-np.inf, ordered[:-1])
        gap = np.where(first | last, np.inf, gap / np.where(span > 0, span, 1.0))
        distance[order] += gap
    return distance


def best_first(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Positions of all rows, front by front, in each those first that stand apart."""
    front = fronts(values)
    if values.shape[1] == 1:
        return np.argsort(front, kind="stable")
    return np.asarray(np.lexsort((-crowding(values, front), front)), dtype=np.intp)
