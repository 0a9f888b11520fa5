"""Scores of several archs at once, where that costs less than one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vitnas.nas.execution.executor import Executor, Outcome, T
from vitnas.search_spaces import Arch

Score = Callable[[Arch], Mapping[str, float | str]]
"""Figures of an arch, and perhaps its answers on single images. One with a method `together` also takes several archs,
`at_once` of them at best."""

Scored = Iterator[tuple[int, Outcome[Mapping[str, float | str]]]]
"""Position of an arch -> its outcome, as they end."""


@dataclass(frozen=True)
class UnlessBeaten:
    """A score that takes archs with the accuracy that each must reach to matter, and stops those that cannot.

    Attributes:
        score: one with a method `unless_beaten`, which takes several of these pairs.
    """

    score: Any

    @property
    def at_once(self) -> int:
        return int(getattr(self.score, "at_once", 1))

    def __call__(self, task: tuple[Arch, float]) -> Mapping[str, float | str]:
        return self.together([task])[0]

    def together(self, tasks: Sequence[tuple[Arch, float]]) -> Sequence[Mapping[str, float | str]]:
        found: Sequence[Mapping[str, float | str]] = self.score.unless_beaten(tasks)
        return found


def scored(executor: Executor, score: Callable[[T], Mapping[str, float | str]], archs: Sequence[T]) -> Scored:
    """Several archs at once where that costs less, and each by itself where they fail."""
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
