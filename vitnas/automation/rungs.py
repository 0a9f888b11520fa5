"""Successive halving: candidates are trained a part of the way, the worse of them are dropped, the others go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitnas.automation.contender import Mark, Stretch, train_stretch
from vitnas.automation.plan import Entry, Plan
from vitnas.automation.progress import bar
from vitnas.nas.execution.executor import Executor


@dataclass(frozen=True)
class Standing:
    """A candidate at a rung, the best first."""

    entry: Entry
    mark: Mark
    kept: bool


@dataclass(frozen=True)
class Trainer:
    """Trains several entries, one after the other or side by side.

    Attributes:
        folder: with the run of each entry, under its name.
        executor: does the work.
        say: told of each that is done.
        show: draws a bar.
    """

    folder: Path
    executor: Executor
    say: Callable[[str], None]
    show: bool = False

    def train(self, entries: Sequence[Entry], share: float, what: str) -> dict[str, Mark]:
        """Name -> how good each is after a share of its training; the longest begin, so that workers end together."""
        order = sorted(entries, key=lambda entry: -entry.seconds)
        asked = [Stretch(self.folder / entry.name, max(1, round(share * entry.steps))) for entry in order]
        until = {one.path: one.until for one in asked}
        step_s = {self.folder / entry.name: entry.step_s for entry in order}
        marks: dict[str, Mark] = {}
        with bar(what, until, step_s, self.show):
            for position, outcome in self.executor.as_completed(train_stretch, asked):
                mark, name = outcome.get(), order[position].name
                marks[name] = mark
                self.say(f"{name}: loss {mark.loss:.3f}, accuracy {mark.accuracy:.1%} after {mark.step} steps")
        return marks


def climb(plan: Plan, trainer: Trainer) -> tuple[Entry, list[list[Standing]]]:
    """The winner, and who stood where at each rung.

    What a training learns does not depend on the others, and ties go by name, so the winner is the same whatever the
    number of workers and however often the work was killed.
    """
    left, history = plan.candidates, []
    for number, rung in enumerate(plan.rungs, 1):
        marks = trainer.train(left, rung.share, f"rung {number} of {len(plan.rungs)}")
        order = sorted(left, key=lambda entry: (marks[entry.name].loss, entry.name))
        kept = order[: rung.keep]
        history.append([Standing(entry, marks[entry.name], entry in kept) for entry in order])
        left = kept
    return left[0], history
