"""Limits: hard upper bounds on costs, checked for being reachable before any work starts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError, suggest
from vitnas.search_spaces import OFF, Codes, SearchSpace
from vitnas.search_spaces.cost_range import ENUMERABLE, CostOf, Reach, descend, evaluate, measure_reach, starts


class Limits:
    """What archs may cost at most, and how an arch over a limit is brought below it.

    Attributes:
        space: the space that the limits are on.
        maxima: quantity -> the most it may be.
        reach: quantity -> the range it has in the space.
    """

    def __init__(
        self,
        space: SearchSpace,
        costs: Mapping[str, CostOf],
        maxima: Mapping[str, float],
        device: str | None = None,
        seed: int = 0,
    ) -> None:
        """Refuses limits that no arch can keep.

        Args:
            space: where archs come from.
            costs: quantity -> cost of a population.
            maxima: quantity -> the most it may be, for some of `costs`; none for no limits.
            device: for messages, where the latency is that of.
            seed: of the search for the extremes in spaces too large to list.
        """
        for quantity, most in maxima.items():
            if quantity not in costs:
                raise SearchError(f"cannot limit '{quantity}', no table knows it; {suggest(quantity, costs)}")
            if math.isnan(most):
                raise SearchError(f"the limit on {quantity} is not a number; give the most it may be")
        self.space = space
        self.maxima = dict(maxima)
        self._costs = {quantity: costs[quantity] for quantity in maxima}
        rng = np.random.default_rng(seed)
        self.reach: dict[str, Reach] = {q: measure_reach(space, q, c, rng) for q, c in self._costs.items()}
        where = f" on device '{device}'" if device else ""
        for quantity, reach in self.reach.items():
            if reach.least > maxima[quantity]:
                raise SearchError(
                    f"no arch of space '{space.name}' has {quantity} <= {maxima[quantity]:g}{where}: they reach from "
                    f"{reach.least:.6g} to {reach.most:.6g}; allow at least {_up(reach.least)}"
                )
        self._anchor = self._find_anchor(rng, where)

    def allow(self, codes: Codes) -> NDArray[np.bool_]:
        """Which rows keep every limit."""
        kept = np.ones(len(codes), dtype=np.bool_)
        for quantity, cost in self._costs.items():
            kept &= evaluate(quantity, cost, codes) <= self.maxima[quantity]
        return kept

    def repair(self, codes: Codes, rng: np.random.Generator) -> Codes:
        """The same archs, those over a limit made cheaper.

        Such an arch goes choice by choice, in random order, towards one of least cost, and stops as
        soon as it keeps the limits: so it stays as close to them as it can.
        """
        fixed = self.space.genome.repair(codes)
        over = np.flatnonzero(~self.allow(fixed))
        steps = sum(len(column.choices) for column in self.space.columns)
        for _ in range(steps):
            if len(over) == 0:
                break
            rows = fixed[over]
            ahead = self._anchor - rows
            ahead[(rows == OFF) | (self._anchor == OFF)] = 0
            pick = np.where(ahead != 0, rng.random(rows.shape), -1.0).argmax(axis=1)
            each = np.arange(len(rows))
            rows[each, pick] += np.sign(ahead[each, pick])
            rows[~ahead.any(axis=1)] = self._anchor
            fixed[over] = self.space.genome.repair(rows)
            over = over[~self.allow(fixed[over])]
        fixed[over] = self._anchor
        return fixed

    @property
    def cheapest(self) -> Codes:
        """``(1, columns)``: an arch of least cost that keeps the limits."""
        return self._anchor[None].copy()

    def violation(self, codes: Codes) -> NDArray[np.float64]:
        """By how much rows are over their limits, relative to the range of each cost; 0 when they keep them."""
        total = np.zeros(len(codes))
        for quantity, cost in self._costs.items():
            reach = self.reach[quantity]
            over = evaluate(quantity, cost, codes) - self.maxima[quantity]
            total += np.maximum(over, 0.0) / ((reach.most - reach.least) or 1.0)
        return total

    def _find_anchor(self, rng: np.random.Generator, where: str) -> NDArray[np.int16]:
        space = self.space
        if not self.maxima:
            smallest: NDArray[np.int16] = space.encode([space.smallest()])[0]
            return smallest
        codes = np.concatenate(
            [
                *(reach.cheapest[None] for reach in self.reach.values()),
                space.genome.enumerate() if space.genome.size() <= ENUMERABLE else starts(space, rng),
            ]
        )
        row = descend(space, codes, self.violation(codes), self.violation)
        if not self.allow(row[None])[0]:
            wanted = " and ".join(f"{q} <= {most:g}" for q, most in self.maxima.items())
            near = ", ".join(f"{q} = {evaluate(q, c, row[None])[0]:.6g}" for q, c in self._costs.items())
            raise SearchError(
                f"no arch of space '{space.name}' keeps {wanted} together{where}; the nearest has {near}; relax one of them"
            )
        return row


def _up(value: float) -> str:
    """Four digits, rounded so that the value still fits below."""
    if value == 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 3)
    return f"{math.ceil(value / unit - 1e-9) * unit:.6g}"
