"""Candidates: of each space the arch that the time can train, and of the likelier spaces also what is near it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.fitting import Fit, of_cost, trainable
from vitnas.automation.candidates.scaling import reshaped


@dataclass(frozen=True)
class Near:
    """A candidate beside the first of its space.

    Attributes:
        cost: its MACs as a multiple.
        rate: its learning rate as a multiple.
        shape: whether its genes are drawn, at the same MACs.
    """

    cost: float = 1.0
    rate: float = 1.0
    shape: bool = False


NEAR = (Near(), Near(rate=2.0), Near(shape=True), Near(cost=0.5), Near(shape=True), Near(rate=0.5), Near(cost=2.0))
"""In the order in which they are tried, the first of the space itself included."""


def spaces_for(candidates: int) -> int:
    """How many spaces so many candidates come from."""
    return int(np.ceil((np.sqrt(8 * candidates + 1) - 1) / 2))


def propose(found: Sequence[Fit], seconds: float, most: int, clock: Clock, rng: np.random.Generator) -> list[Fit]:
    """Candidates, the likeliest first.

    A limit says how large a network may be, and the time how large it should be. Where a network at the limit would see
    too few steps, a smaller one of its space learns more. The second candidate is of the second space, the third is near the
    first, and so on by diagonals: the likelier a space, the more of its archs compete.

    Args:
        found: the largest archs within the limits, one a space, the likeliest first.
        seconds: of processor time for one training.
        most: candidates at most.
        clock: times what is smaller or of another shape.
        rng: draws shapes.
    """
    order = sorted(
        ((i, j) for i in range(len(found)) for j in range(len(NEAR))), key=lambda place: (sum(place), place[1])
    )
    first: dict[int, Fit] = {}
    candidates: list[Fit] = []
    for i, j in order:
        if len(candidates) == most:
            break
        if i not in first:
            first[i] = trainable(found[i], seconds, clock)
        one = _near(NEAR[j], first[i], found[i], clock, rng)
        if one is not None and one not in candidates:
            candidates.append(one)
    return candidates


def _near(near: Near, fit: Fit, largest: Fit, clock: Clock, rng: np.random.Generator) -> Fit | None:
    """None where there is no other shape."""
    found = fit
    if near.cost != 1:
        found = of_cost(largest, min(1.0, near.cost * fit.macs / largest.macs), clock)
    if near.shape:
        placed = reshaped(fit.space, clock, fit.placed.arch, rng)
        if placed is None:
            return None
        found = replace(fit, placed=placed)
    return replace(found, learning_rate=near.rate * fit.learning_rate)
