"""Which spaces suit images and limits, with the evidence: what fits, what a step costs, and what a short training learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.fitting import Fit, at_the_limits, trainable
from vitnas.automation.contest import Contest
from vitnas.automation.plan import Plan
from vitnas.automation.planning import LIKELY, entry_of
from vitnas.errors import SettingsError
from vitnas.files.temporary import temporary_folder
from vitnas.supernets.counting.counts import count
from vitnas.supernets.data import DataSettings, load_dataset, resolved
from vitnas.supernets.data.dataset import demand_classes


@dataclass(frozen=True)
class Suggestion:
    """A space, and an arch of it that the limits allow.

    Attributes:
        space: its name.
        image_size: that the arch looks at.
        arch_id: the largest uniformly scaled arch within the limits, or a smaller one that the time can train.
        ms: device -> milliseconds.
        num_params: of the network.
        macs: of the network for one image.
        step_s: processor seconds of a training step.
        steps: that it was trained for; 0 where no time was given.
        loss: on validation images after these steps, or None.
        accuracy: the same.
    """

    space: str
    image_size: int
    arch_id: str
    ms: Mapping[str, float]
    num_params: int
    macs: int
    step_s: float
    steps: int = 0
    loss: float | None = None
    accuracy: float | None = None


def suggest(
    data: DataSettings, limits: Mapping[str, float], spaces: Sequence[str], seconds: float, say: Callable[[str], None]
) -> list[Suggestion]:
    """The spaces that have an arch within the limits; those that learnt most first, or in the order of experience.

    Args:
        data: the images.
        limits: device -> the most milliseconds.
        spaces: names; none for all that are known to suit.
        seconds: of processor time for short trainings, the same for each space; 0 trains nothing.
        say: told what is found.
    """
    if not limits:
        raise SettingsError("no limit is given; say how fast the network must be, such as cpu=3ms")
    dataset = demand_classes(load_dataset(data), "`suggest`")
    clock = Clock(limits)
    found = at_the_limits(spaces or LIKELY, dataset.task, clock, say)
    if not seconds:
        return [_suggestion(fit) for fit in found]
    each_s = seconds / len(found)
    right = [trainable(fit, each_s, clock) for fit in found]
    entries = tuple(entry_of("candidate", fit, each_s) for fit in right)
    with temporary_folder() as folder:
        plan = Plan(entries, (), workers=1, threads=1, seed=0, looked_s=1.0)
        marks = Contest(Path(folder), plan, resolved(data, dataset), say).finish(entries)
    told = [
        _suggestion(fit, entry.steps, mark.loss, mark.accuracy)
        for fit, entry, mark in zip(right, entries, marks, strict=True)
    ]
    return sorted(told, key=lambda one: one.loss or 0.0)


def _suggestion(fit: Fit, steps: int = 0, loss: float | None = None, accuracy: float | None = None) -> Suggestion:
    arch, space = fit.placed.arch, fit.space
    counts = count(space.lower(arch))
    return Suggestion(
        space.name,
        space.task.side,
        arch.id,
        fit.placed.ms,
        counts.num_params,
        counts.macs,
        fit.pace.step_s,
        steps,
        loss,
        accuracy,
    )
