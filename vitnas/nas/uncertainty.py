"""Which figures are worth a measurement: those that are uncertain, and whose uncertainty matters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

WIDTH = 1.645
"""Standard deviations to either side of a figure; the truth lies within in 9 cases of 10."""


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
    beaten_surely = (_dominates(high, low) & kept[:, None]).any(axis=0)
    beaten_perhaps = (_dominates(low, high) & possible[:, None]).any(axis=0)
    doubted = np.any(stds > 0, axis=1) | np.any(limited_stds > 0, axis=1)
    found: Mask = doubted & possible & ~beaten_surely & (beaten_perhaps | ~kept)
    return found


def _dominates(better: Floats, worse: Floats) -> Mask:
    """``(n, n)`` whether row i of the first beats row j of the second; no row is held against itself."""
    pairs = better[:, None], worse[None]
    found: Mask = np.all(pairs[0] <= pairs[1], axis=2) & np.any(pairs[0] < pairs[1], axis=2)
    np.fill_diagonal(found, False)
    return found
