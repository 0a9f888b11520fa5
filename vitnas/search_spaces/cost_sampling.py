"""Sampling near a complexity: random archs whose cost lies in a band."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.search_spaces.cost_range import ENUMERABLE, CostOf, evaluate, measure_reach
from vitnas.search_spaces.genome import Codes
from vitnas.search_spaces.space import SearchSpace

Floats = NDArray[np.float64]

BATCH = 4096
ROUNDS = 8
WALKERS = 256
STEPS = 400
DETOUR = 0.3
"""How much farther from the band, as a share of its distance, a walker may step: costs are jagged."""


def sample_near(
    space: SearchSpace,
    cost: CostOf,
    low: float,
    high: float,
    n: int,
    rng: np.random.Generator,
    quantity: str = "cost",
) -> Codes:
    """Random archs with ``low <= cost <= high``; in a band that holds few archs they repeat.

    Spaces small enough are listed, and every arch of the band is equally likely. In larger ones archs
    are drawn as `Genome.sample` draws them, and what is missing walks by mutations into the band and on within it.

    Args:
        space: where archs come from.
        cost: a number for every row of a population, as `PopulationCounter` or a latency table gives.
        low: the least that an arch may cost.
        high: the most that it may cost.
        n: how many.
        rng: draws.
        quantity: what the cost is called, for messages.
    """
    if math.isnan(low) or math.isnan(high) or low > high:
        raise SearchError(f"the band of {quantity} from {low:g} to {high:g} is empty; give low <= high")

    def distance(codes: Codes) -> Floats:
        values = evaluate(quantity, cost, codes)
        away: Floats = np.maximum(np.maximum(low - values, values - high), 0.0)
        return away

    if space.genome.size() <= ENUMERABLE:
        every = space.genome.enumerate()
        inside = every[distance(every) == 0.0]
    else:
        inside = _drawn(space, distance, n, rng)
    if len(inside) == 0 and n > 0:
        reach = measure_reach(space, quantity, cost, rng)
        raise SearchError(
            f"found no arch of space '{space.name}' with {quantity} from {low:g} to {high:g}: they reach from "
            f"{reach.least:.6g} to {reach.most:.6g}; "
            + ("move the band" if high < reach.least or low > reach.most else "widen the band")
        )
    enough = len(inside) >= n and space.genome.size() > ENUMERABLE
    chosen: Codes = inside[np.arange(n) if enough else rng.integers(max(len(inside), 1), size=n)]
    return chosen


def _drawn(space: SearchSpace, distance: Callable[[Codes], Floats], n: int, rng: np.random.Generator) -> Codes:
    """At least n rows inside the band, or as many as were found."""
    found: list[Codes] = []
    nearest, away = space.genome.empty(0), np.empty(0)
    for _ in range(ROUNDS):
        codes = space.genome.sample(BATCH, rng)
        far = distance(codes)
        found.append(codes[far == 0.0])
        if sum(map(len, found)) >= n:
            return np.concatenate(found)
        pool, away = np.concatenate([nearest, codes]), np.concatenate([away, far])
        order = np.argsort(away, kind="stable")[:WALKERS]
        nearest, away = pool[order], away[order]
    walkers = nearest
    for _ in range(STEPS):
        moved = space.genome.mutate(walkers, rng, rate=1 / len(space.columns))
        far = distance(moved)
        taken = far <= away * (1 + DETOUR * rng.random(len(away)))
        walkers = np.where(taken[:, None], moved, walkers).astype(np.int16)
        away = np.where(taken, far, away)
        found.append(walkers[taken & (away == 0.0)])
        if sum(map(len, found)) >= n:
            break
    drawn: Codes = rng.permutation(np.concatenate(found))
    return drawn
