"""Successive halving: candidates are trained a part of the way, the worse of them are dropped, the others go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitnas.automation.contender import Mark, Part, train_part
from vitnas.automation.plan import Entry, Plan
from vitnas.nas.execution.executor import Executor


@dataclass(frozen=True)
class Standing:
    """A candidate at a rung, the best first."""

    entry: Entry
    mark: Mark
    kept: bool


def climb(
    plan: Plan, folder: Path, executor: Executor, say: Callable[[str], None]
) -> tuple[Entry, list[list[Standing]]]:
    """The winner, and who stood where at each rung.

    What a training learns does not depend on the others, and ties go by name, so the winner is the same whatever the
    number of workers and however often the work was killed.

    Args:
        plan: whose candidates and rungs.
        folder: with the run of each entry, under its name.
        executor: trains, several at a time or not.
        say: told what happens.
    """
    left, history = plan.candidates, []
    for rung in plan.rungs:
        asked = [Part(folder / entry.name, max(1, round(rung.share * entry.steps))) for entry in left]
        marks: dict[str, Mark] = {}
        for position, outcome in executor.as_completed(train_part, asked):
            mark = outcome.get()
            marks[left[position].name] = mark
            say(f"{left[position].name}: loss {mark.loss:.3f}, accuracy {mark.accuracy:.1%} after {mark.step} steps")
        order = sorted(left, key=lambda entry: (marks[entry.name].loss, entry.name))
        kept = order[: rung.keep]
        history.append([Standing(entry, marks[entry.name], entry in kept) for entry in order])
        left = kept
    return left[0], history


def train_whole(entries: Sequence[Entry], folder: Path, executor: Executor, say: Callable[[str], None]) -> list[Mark]:
    """Trains entries to their end; the longest first, so that workers end together."""
    order = sorted(range(len(entries)), key=lambda i: -entries[i].seconds)
    parts = [Part(folder / entries[i].name, entries[i].steps) for i in order]
    found: dict[int, Mark] = {}
    for position, outcome in executor.as_completed(train_part, parts):
        i = order[position]
        found[i] = outcome.get()
        say(
            f"{entries[i].name}: trained, loss {found[i].loss:.3f}, accuracy {found[i].accuracy:.1%} on validation images"
        )
    return [found[i] for i in range(len(entries))]
