"""Choosing a few of many points so that they lie evenly, or far from one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def even_steps(values: Floats, low: float, high: float, n: int) -> list[int]:
    """Positions of n values, or all if there are fewer, each nearest to one of n even steps between two bounds."""
    free = np.ones(len(values), dtype=np.bool_)
    found: list[int] = []
    for target in np.linspace(low, high, n + 2)[1:-1]:
        if not free.any():
            break
        nearest = int(np.where(free, np.abs(values - target), np.inf).argmin())
        free[nearest] = False
        found.append(nearest)
    return found


def unit_ranges(points: Floats) -> Floats:
    """``(points, features)`` with every feature moved and scaled to 0..1."""
    width = np.ptp(points, axis=0)
    scaled: Floats = (points - points.min(axis=0)) / np.where(width > 0, width, 1.0)
    return scaled


def farthest_first(points: Floats, chosen: Sequence[int], n: int) -> list[int]:
    """Positions of n more points, each the farthest from all that were chosen before it."""
    distance = np.full(len(points), np.inf)
    for i in chosen:
        distance = np.minimum(distance, ((points - points[i]) ** 2).sum(axis=1))
    distance[list(chosen)] = -1.0
    found: list[int] = []
    while len(found) < n:
        i = int(distance.argmax())
        found.append(i)
        distance = np.minimum(distance, ((points - points[i]) ** 2).sum(axis=1))
        distance[i] = -1.0
    return found
