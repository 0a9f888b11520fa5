"""Reach: the least and the most that a cost can be in a space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.search_spaces.genome import Codes
from vitnas.search_spaces.space import SearchSpace

CostOf = Callable[[Codes], NDArray[np.generic]]
"""A number for every row of a population: a latency table, a count."""

ENUMERABLE = 100_000
"""Spaces up to this size are listed whole; larger ones are sampled and climbed."""

STARTS = 2000
CLIMBERS = 8


@dataclass(frozen=True)
class Reach:
    """Least and most of one cost, and the archs that have it.

    Attributes:
        least: the smallest value found.
        most: the largest value found.
        cheapest: code of the arch that costs `least`.
        costliest: code of the arch that costs `most`.
        exact: whether every arch was looked at; otherwise no neighbour of the two is more extreme.
    """

    least: float
    most: float
    cheapest: NDArray[np.int16]
    costliest: NDArray[np.int16]
    exact: bool


def measure_reach(space: SearchSpace, quantity: str, cost: CostOf, rng: np.random.Generator) -> Reach:
    """The range of a cost over a space."""
    exact = space.genome.size() <= ENUMERABLE
    codes = space.genome.enumerate() if exact else starts(space, rng)
    values = evaluate(quantity, cost, codes)
    if exact:
        low, high = codes[values.argmin()], codes[values.argmax()]
    else:
        low = descend(space, codes, values, lambda c: evaluate(quantity, cost, c))
        high = descend(space, codes, -values, lambda c: -evaluate(quantity, cost, c))
    least, most = evaluate(quantity, cost, np.stack([low, high]))
    return Reach(float(least), float(most), low, high, exact)


def starts(space: SearchSpace, rng: np.random.Generator) -> Codes:
    """Smallest, largest and many archs in between, from which to climb."""
    ends = space.encode([space.smallest(), space.largest()])
    return np.concatenate([ends, space.genome.sample(STARTS, rng)])


def descend(
    space: SearchSpace, codes: Codes, values: NDArray[np.float64], cost: Callable[[Codes], NDArray[np.float64]]
) -> NDArray[np.int16]:
    """Walks from the best of these archs to ever better neighbours; the lowest end of all walks."""
    ends: list[tuple[float, NDArray[np.int16]]] = []
    for start in np.argsort(values, kind="stable")[:CLIMBERS]:
        row, value = codes[start], float(values[start])
        while len(near := space.genome.neighbours(row)):
            costs = cost(near)
            best = int(costs.argmin())
            if not costs[best] < value:
                break
            row, value = near[best], float(costs[best])
        ends.append((value, row))
    return min(ends, key=lambda end: end[0])[1]


def evaluate(quantity: str, cost: CostOf, codes: Codes) -> NDArray[np.float64]:
    """The cost of every row, refused if it is no number."""
    values = np.asarray(cost(codes), dtype=np.float64)
    if values.shape != (len(codes),) or not np.isfinite(values).all():
        raise SearchError(
            f"the cost '{quantity}' must give one finite number an arch; got shape {values.shape}"
            + (f" with {int((~np.isfinite(values)).sum())} that are not finite" if values.size else "")
            + "; profile the device again"
        )
    return values
