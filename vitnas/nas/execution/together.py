"""Scores of several archs at once, where that costs less than one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from vitnas.nas.execution.executor import Executor, Outcome
from vitnas.search_spaces import Arch

Score = Callable[[Arch], Mapping[str, float | str]]
"""Figures of an arch, and perhaps its answers on single images. One with a method `together` also takes several archs,
`at_once` of them at best."""


def scored(
    executor: Executor, score: Score, archs: Sequence[Arch]
) -> Iterator[tuple[int, Outcome[Mapping[str, float | str]]]]:
    """Position -> outcome, as they end; several archs at once where that costs less, and each by itself where they fail."""
    # What may take so long and no longer is one arch.
    at_once = int(getattr(score, "at_once", 1)) if executor.timeout_s is None else 1
    together = getattr(score, "together", None)
    if at_once == 1 or together is None:
        yield from executor.as_completed(score, archs)
        return
    groups = [archs[i : i + at_once] for i in range(0, len(archs), at_once)]
    failed: list[int] = []
    for number, outcome in executor.as_completed(together, groups):
        positions = range(number * at_once, number * at_once + len(groups[number]))
        if outcome.value is None:
            failed += positions
            continue
        for position, value in zip(positions, outcome.value, strict=True):
            yield position, Outcome(value, None, outcome.seconds / len(positions), outcome.tries)
    for place, outcome in executor.as_completed(score, [archs[i] for i in failed]):
        yield failed[place], outcome
