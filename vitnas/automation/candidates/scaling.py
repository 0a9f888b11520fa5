"""Archs at a latency: on the line of uniform scaling, where all genes grow together, and at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vitnas.automation.candidates.clock import Clock
from vitnas.search_spaces import Arch, Codes, SearchSpace
from vitnas.search_spaces.genome import distinct
from vitnas.search_spaces.uniform import uniform_line
from vitnas.supernets.counting.population import PopulationCounter

NEAR = 0.93
"""From this share of a limit on, an arch is at the limit."""
TIMINGS = 8
"""Networks that are timed at most to find a place on the line."""
ROUNDS = 4
BATCH = 8


@dataclass(frozen=True)
class Placed:
    """An arch and what it takes.

    Attributes:
        arch: of some space.
        ms: device -> milliseconds.
        share: the largest share of a limit.
    """

    arch: Arch
    ms: Mapping[str, float]
    share: float


def largest_uniform(space: SearchSpace, clock: Clock) -> Placed | None:
    """The largest arch of the line that keeps the limits, or one close below it; None where the smallest does not."""
    line = uniform_line(space)
    best, low, high = place(space, line[0], clock), 0, len(line)
    if best.share > 1:
        return None
    for _ in range(TIMINGS - 1):
        if high - low < 2 or best.share >= NEAR:
            break
        middle = (low + high) // 2
        found = place(space, line[middle], clock)
        if found.share <= 1:
            low, best = middle, found
        else:
            high = middle
    return best


def at_random(
    space: SearchSpace, clock: Clock, like: Arch, n: int, rng: np.random.Generator, share: float = 1.0
) -> list[Placed]:
    """Random archs at the limits: drawn around the MACs of an arch that is, timed, and kept where they are.

    Args:
        space: where they come from.
        clock: times them.
        like: an arch at the limits.
        n: how many; fewer where not as many are found.
        rng: draws.
        share: of the limits, at which both are.
    """
    count = PopulationCounter(space)
    middle = float(count(space.encode([like])).macs[0])
    found: list[Placed] = []
    for _ in range(ROUNDS):
        codes = _near(space, count, middle, rng)
        archs = space.decode(codes)
        placed = [Placed(arch, ms, clock.share(ms)) for arch, ms in zip(archs, clock.ms(space, archs), strict=True)]
        found += [one for one in placed if NEAR - 0.08 <= one.share / share <= 1]
        if len(found) >= n:
            break
        shares = np.array([one.share / share for one in placed])
        middle /= float(np.median(shares)) / (NEAR + 0.02)  # those drawn next should be nearer
    return found[:n]


def reshaped(space: SearchSpace, clock: Clock, like: Arch, rng: np.random.Generator) -> Placed | None:
    """A random arch of about the same MACs that keeps the limits; None where a few draws find none."""
    macs = float(PopulationCounter(space)(space.encode([like])).macs[0])
    for arch in space.decode(_near(space, PopulationCounter(space), macs, rng)):
        if arch != like and (placed := place(space, arch, clock)).share <= 1:
            return placed
    return None


def _near(space: SearchSpace, count: PopulationCounter, macs: float, rng: np.random.Generator) -> Codes:
    """A few random archs of about so many MACs."""
    drawn = distinct(space.genome.sample(4096, rng))
    away = np.abs(np.log(count(drawn).macs / macs))
    nearest = np.argsort(away, kind="stable")[: 4 * BATCH]
    chosen: Codes = drawn[rng.permutation(nearest)[:BATCH]]
    return chosen


def place(space: SearchSpace, arch: Arch, clock: Clock) -> Placed:
    """An arch with what it takes."""
    [ms] = clock.ms(space, [arch])
    return Placed(arch, ms, clock.share(ms))
