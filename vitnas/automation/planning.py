"""From images, limits and a time to a plan: which spaces compete, with which archs, and how long each is trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitnas.automation.clock import Clock
from vitnas.automation.pace import Pace, measure_pace
from vitnas.automation.plan import Entry, Plan, Role, Rung
from vitnas.automation.recipe import BATCH
from vitnas.automation.scaling import Placed, at_random, largest_uniform
from vitnas.automation.settings import AutoSettings
from vitnas.errors import SearchError, VitnasError
from vitnas.search_spaces import SPACES, SearchSpace, Task, load_space
from vitnas.supernets.data import Dataset
from vitnas.supernets.data.dataset import check_size

LIKELY = (
    "efficientformerv2", "deepmad-resnet", "tinyvit", "pvtv2", "convnext", "asvit", "efficientformer", "elasticvit",
    "nextvit", "swin", "attentivenas", "matformer-tiny", "deit", "autoformer-mini",
)  # fmt: skip
"""Spaces in the order in which they are tried."""
SMALL = 64
"""Images smaller than this are also tried enlarged to it, which most spaces of many stages need."""
FIRST, SECOND = (0.03, 0.06, 0.1), 0.25
"""Shares of a training at which candidates are compared: first, the least at which there are enough steps, then again."""
LEAST_STEPS = 60
SPENT = 0.4
"""What the rungs may cost, as a share of one whole training."""
MOST = 12
"""Candidates that begin at most unless told."""
USUAL_STEP_S = 0.2
"""A step of a small network, to know how many spaces are worth looking at before any is measured."""


@dataclass(frozen=True)
class Fit:
    """A space that has an arch within the limits, at one image size."""

    space: SearchSpace
    placed: Placed
    pace: Pace


def fits(
    names: Sequence[str], task: Task, clock: Clock, say: Callable[[str], None], most: int | None = None
) -> list[Fit]:
    """The largest uniformly scaled arch within the limits of each space that has one.

    Args:
        names: of spaces, the likeliest first.
        task: of the images, at their own size.
        clock: with the limits.
        say: told which spaces fit and which do not.
        most: ends when so many are found.
    """
    found: list[Fit] = []
    for name in names:
        if most is not None and len(found) >= most:
            break
        space = _for_images(name, task)
        if space is None:
            say(f"{name}: not for images of {task.image_size} pixels")
            continue
        placed = largest_uniform(space, clock)
        if placed is None:
            say(f"{name}: its smallest arch is slower than the limit")
            continue
        pace = measure_pace(space, placed.arch, BATCH)
        found.append(Fit(space, placed, pace))
        told = ", ".join(f"{ms:.2f} ms on {device}" for device, ms in placed.ms.items())
        say(f"{name}, {space.task.image_size} px: {told}, {pace.step_s:.2f} s a training step")
    if not found:
        wanted = " and ".join(f"{ms:g} ms on {device}" for device, ms in clock.limits.items())
        raise SearchError(f"no arch of {', '.join(names)} keeps {wanted}; allow more, or name other spaces")
    return found


def _for_images(name: str, task: Task) -> SearchSpace | None:
    """The space for images of this size, or enlarged where the space needs that."""
    for size in dict.fromkeys((task.image_size, max(task.image_size, SMALL))):
        sized = replace(task, image_size=size)
        try:
            space = load_space(name, sized)
            check_size(space)
        except VitnasError:
            continue
        return space
    return None


def make_plan(dataset: Dataset, settings: AutoSettings, clock: Clock, threads: int, say: Callable[[str], None]) -> Plan:
    """Looks which spaces fit, measures a few steps of each, and divides the time.

    Args:
        dataset: what the networks are for.
        settings: limits, time, and what else was told.
        clock: times networks.
        threads: processor threads that all trainings have together.
        say: told what is found.
    """
    start = time.monotonic()
    workers = settings.workers or max(1, min(threads, 1 + len(settings.baselines)))
    each = max(1, threads // workers)
    total_s = settings.seconds
    names = settings.spaces or tuple(name for name in LIKELY if name in SPACES)
    afforded, _ = divide(_network_s(total_s, workers, len(settings.baselines)) * each, [USUAL_STEP_S] * MOST, MOST)
    most = settings.candidates or (len(settings.spaces) or afforded)
    found = fits(names, dataset.task, clock, say, most)
    rng = np.random.default_rng(settings.seed)
    looked_s = time.monotonic() - start
    network_s = _network_s(max(total_s - looked_s, total_s / 2), workers, len(settings.baselines)) * each
    number, rungs = divide(network_s, [fit.pace.step_s for fit in found], settings.candidates or MOST)
    whole_s = network_s / (1 + overhead(number, rungs))

    def entry(role: Role, fit: Fit, placed: Placed, pace: Pace, seconds: float) -> Entry:
        steps = max(1, int(seconds / pace.step_s))
        size, arch = fit.space.task.image_size, placed.arch.to_json()
        return Entry(role, fit.space.name, size, arch, dict(placed.ms), pace.step_s, pace.channels_last, steps)

    entries = [entry("candidate", fit, fit.placed, fit.pace, whole_s) for fit in found[:number]]
    for fit in _more(found, number - len(entries), clock, rng):
        entries.append(entry("candidate", fit, fit.placed, fit.pace, whole_s))
    if "uniform" in settings.baselines:
        entries += [entry("uniform", fit, fit.placed, fit.pace, network_s) for fit in found[:number]]
    if "random" in settings.baselines:
        fit = found[int(rng.integers(len(found)))]
        drawn = at_random(fit.space, clock, fit.placed.arch, 1, rng) or [fit.placed]
        entries.append(entry("random", fit, drawn[0], measure_pace(fit.space, drawn[0].arch, BATCH), network_s))
    return Plan(tuple(entries), rungs, workers, each, settings.seed, time.monotonic() - start)


def _more(found: Sequence[Fit], number: int, clock: Clock, rng: np.random.Generator) -> list[Fit]:
    """So many further archs at the limits, of the likeliest spaces in turn."""
    more: list[Fit] = []
    for turn in range(number):
        fit = found[turn % len(found)]
        for placed in at_random(fit.space, clock, fit.placed.arch, 1, rng):
            more.append(replace(fit, placed=placed, pace=measure_pace(fit.space, placed.arch, BATCH)))
    return more


def divide(network_s: float, steps_s: Sequence[float], most: int) -> tuple[int, tuple[Rung, ...]]:
    """How many candidates a time affords, and the rungs that they climb.

    Args:
        network_s: processor seconds for all that leads to the network.
        steps_s: of a step of each candidate, the likeliest first.
        most: candidates at most.
    """
    for number in range(most, 1, -1):
        middle = float(np.median(steps_s[:number]))  # further archs of the same spaces cost about as much
        left = max(1, round(number / 3))
        for first in FIRST:
            rungs = (Rung(first, left), Rung(SECOND, 1)) if left > 1 else (Rung(first, 1),)
            spent = overhead(number, rungs)
            if spent <= SPENT and first * network_s / (1 + spent) / middle >= LEAST_STEPS:
                return number, rungs
    return 1, ()


def overhead(number: int, rungs: Sequence[Rung]) -> float:
    """What the rungs cost beside the winner's own training, as a share of that."""
    spent, before = 0.0, 0.0
    for rung in rungs:
        spent += (number - 1) * (rung.share - before)
        number, before = rung.keep, rung.share
    return spent


def _network_s(total_s: float, workers: int, baselines: int) -> float:
    """Seconds on one worker for all that leads to the network, where each baseline gets as many."""
    return total_s / -(-(1 + baselines) // workers)
