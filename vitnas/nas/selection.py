"""Choosing few archs out of many: spread over a cost, or over the best in several objectives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.objectives import non_dominated
from vitnas.nas.problem import Problem
from vitnas.search_spaces import Codes
from vitnas.search_spaces.cost_range import descend, evaluate
from vitnas.search_spaces.genome import distinct
from vitnas.search_spaces.spreading import even_steps, farthest_first, unit_ranges

POOL = 2000


def spread_over_cost(problem: Problem, quantity: str, n: int, rng: np.random.Generator) -> Codes:
    """Up to n distinct archs within the limits, at even steps of one of the costs, from the least to the most costly."""
    space, limits, cost = problem.space, problem.limits, problem.costs[quantity]
    genome = space.genome
    ends = np.concatenate([space.encode([space.smallest(), space.largest()]), limits.cheapest])
    half = max(POOL, 10 * n)
    drawn = np.concatenate([ends, genome.sample(half, rng), genome.sample_evenly(half, rng)])
    pool = np.unique(limits.repair(drawn, rng), axis=0)

    def over(codes: Codes, sign: float) -> NDArray[np.float64]:
        return np.where(limits.allow(codes), sign * evaluate(quantity, cost, codes), np.inf)

    extremes = np.stack([descend(space, pool, over(pool, sign), lambda c, s=sign: over(c, s)) for sign in (1.0, -1.0)])  # type: ignore[misc]
    first = np.concatenate([extremes, ends[limits.allow(ends)]])
    chosen = distinct(first)[:n]
    pool = pool[~(pool[:, None] == chosen[None]).all(axis=2).any(axis=1)]
    values = evaluate(quantity, cost, pool)
    low, high = evaluate(quantity, cost, extremes)
    return np.concatenate([chosen, pool[even_steps(values, low, high, max(n - len(chosen), 0))]])


def best_and_apart(values: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    """Positions of up to n rows of ``(m, k)`` values to minimise: front by front, the last one thinned evenly."""
    left = np.arange(len(values))
    chosen: list[NDArray[np.intp]] = []
    wanted = n
    while wanted > 0 and len(left):
        front = non_dominated(values[left])
        rows = left[front]
        if len(rows) > wanted:
            rows = rows[_apart(values[rows], wanted)]
        chosen.append(rows)
        wanted -= len(rows)
        left = left[~front]
    return np.concatenate(chosen) if chosen else np.empty(0, dtype=np.intp)


def _apart(values: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    """The extremes first, then ever the row farthest from all that are chosen."""
    scaled = unit_ranges(values)
    chosen = list(dict.fromkeys(int(i) for i in scaled.argmin(axis=0)))[:n]
    return np.array([*chosen, *farthest_first(scaled, chosen, n - len(chosen))], dtype=np.intp)
