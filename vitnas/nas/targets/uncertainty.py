"""Which figures are worth a measurement: those that are uncertain, and whose uncertainty matters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.objectives import non_dominated
from vitnas.nas.pareto.apart import WIDTH

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_PAIRS = 1_000_000
"""Of archs that are compared at a time."""


def undecided(values: Floats, stds: Floats, limited: Floats, limited_stds: Floats, maxima: Floats) -> Mask:
    """Which archs may or may not be on the front, as far as their figures tell.

    Args:
        values: ``(n, k)`` objectives, all to minimise.
        stds: ``(n, k)`` their standard deviations, zero where there is nothing to doubt.
        limited: ``(n, q)`` quantities under a limit.
        limited_stds: ``(n, q)`` their standard deviations.
        maxima: ``(q,)`` the limits.
    """
    possible = np.all(limited - WIDTH * limited_stds <= maxima, axis=1)
    kept = np.all(limited + WIDTH * limited_stds <= maxima, axis=1)
    low, high = values - WIDTH * stds, values + WIDTH * stds
    doubted = np.any(stds > 0, axis=1) | np.any(limited_stds > 0, axis=1)
    rows = np.flatnonzero(doubted & possible)
    # What beats an arch for sure is never that arch, and whatever is beaten is beaten by one that nothing beats.
    best = high[kept]
    rows = rows[~_beaten(low[rows], best[non_dominated(best)])]
    # An arch at its best may beat itself at its worst, so here all others count; but few rows are left.
    others = np.flatnonzero(possible)
    perhaps = _beaten(high[rows], low[others], rows[:, None] != others)
    found = np.zeros(len(values), dtype=np.bool_)
    found[rows[perhaps | ~kept[rows]]] = True
    return found


def _beaten(worse: Floats, better: Floats, counts: Mask | None = None) -> Mask:
    """Which rows any row of `better` beats, of those pairs that count."""
    found = np.zeros(len(worse), dtype=np.bool_)
    step = max(1, MOST_PAIRS // max(1, len(better)))
    for start in range(0, len(worse), step):
        rows = slice(start, start + step)
        pairs = better[None], worse[rows, None]
        beats = np.all(pairs[0] <= pairs[1], axis=2) & np.any(pairs[0] < pairs[1], axis=2)
        found[rows] = (beats if counts is None else beats & counts[rows]).any(axis=1)
    return found
