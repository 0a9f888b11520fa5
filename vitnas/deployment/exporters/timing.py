"""How long an artefact takes, as a user who calls it sees it."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

WARM_UP, CALLS = 3, 30


def median_ms(call: Callable[[], object]) -> float:
    """The median of some calls, once the first ones are over."""
    taken = []
    for _ in range(WARM_UP + CALLS):
        start = perf_counter()
        call()
        taken.append((perf_counter() - start) * 1e3)
    return median(taken[WARM_UP:])
