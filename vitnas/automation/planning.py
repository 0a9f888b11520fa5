"""From images, limits and a time to a plan: which spaces compete, with which archs, and how long each is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.fitting import (
    ENOUGH_STEPS,
    SMALL,
    Fit,
    at_the_limits,
    random_fit,
)
from vitnas.automation.candidates.lanes import Lanes
from vitnas.automation.candidates.stock import slowest_stock
from vitnas.automation.plan import Entry, Plan, Role, Rung
from vitnas.automation.proposing import propose, spaces_for
from vitnas.automation.settings import AutoSettings
from vitnas.search_spaces import SPACES
from vitnas.supernets.data import Dataset

LIKELY = (
    "efficientformerv2", "tinyvit", "deepmad-resnet", "elasticvit", "efficientformer", "pvtv2", "nextvit", "convnext",
    "swin", "attentivenas", "matformer-tiny", "deit", "asvit", "autoformer-mini",
)  # fmt: skip
"""Spaces in the order in which they are tried: hybrids first, which learn most from few images in little time."""
FIRST, SECOND = 0.03, 0.25
"""Shares of a training at which candidates are compared, the first one later where it would be too early."""
LEAST_STEPS = 60
"""Of a training when its network is first compared."""
PLAIN, PLAIN_SMALL = "deit", "autoformer-mini"
"""Spaces of plain vision transformers, which people take who do not search; the other one cuts small images into enough patches."""
SPENT = 0.4
"""What the rungs may cost, as a share of one whole training."""
SHORT_STEPS = 2 * ENOUGH_STEPS
"""A training shorter than this needs every step, so the likeliest candidate has all of them."""
MOST = 12
"""Candidates that begin at most unless told."""
USUAL_STEP_S = 0.2
"""A step of a small network, to know how many spaces are worth looking at before any is measured."""


def make_plan(dataset: Dataset, settings: AutoSettings, clock: Clock, lanes: Lanes, say: Callable[[str], None]) -> Plan:
    """Looks which spaces fit, measures a few steps of each, and divides the time.

    Args:
        dataset: what the networks are for.
        settings: limits, time, and what else was told.
        clock: times networks.
        lanes: that all trainings have together.
        say: told what is found.
    """
    purse, wanted = Purse.of(settings, lanes), settings.candidates
    afforded = wanted or divide(purse.left_s() / USUAL_STEP_S, MOST)
    names = settings.spaces or tuple(name for name in LIKELY if name in SPACES)
    most_spaces = len(settings.spaces) or spaces_for(afforded)
    found = at_the_limits(names, dataset.task, clock, say, most_spaces, lanes.torch_device)
    candidates = propose(found, purse.left_s(), wanted or MOST, clock, np.random.default_rng(settings.seed))
    entries, rungs, network_s = compete(candidates, purse, wanted)
    entries += baselines(found, entries, network_s, dataset, settings, clock, say)
    return purse.plan(entries, rungs, settings.seed)


@dataclass(frozen=True)
class Purse:
    """The time of a question, from when its planning began.

    Attributes:
        seconds: in all.
        workers: trainings at a time.
        threads: of each, or 1 where each has a GPU.
        rounds: of trainings side by side, each as long as the others: of the network and of its baselines.
        now: tells the seconds.
        start: when it began, by them.
        before_s: processor seconds that baselines get beside, for they were spent on the network before.
        torch_device: where networks are trained.
    """

    seconds: float
    workers: int
    threads: int
    rounds: int
    now: Callable[[], float]
    start: float
    before_s: float = 0.0
    torch_device: str = "cpu"

    @classmethod
    def of(cls, settings: AutoSettings, lanes: Lanes, before_s: float = 0.0) -> Purse:
        trained = 1 + len(settings.baselines)
        workers = settings.workers or max(1, min(lanes.number, trained))
        each, rounds = max(1, lanes.widest // workers), -(-trained // workers)
        beside_s = before_s if settings.baselines else 0.0
        return cls(settings.seconds, workers, each, rounds, lanes.now, lanes.now(), beside_s, lanes.torch_device)

    @property
    def spent_s(self) -> float:
        return self.now() - self.start

    def plan(self, entries: Sequence[Entry], rungs: tuple[Rung, ...], seed: int) -> Plan:
        """With what was found."""
        spent_s = self.spent_s
        return Plan(tuple(entries), rungs, self.workers, self.threads, seed, spent_s, self.torch_device)

    def left_s(self) -> float:
        """Processor seconds for all that leads to the network; each baseline gets as many, and those spent before."""
        left_s = self.threads * (self.seconds - min(self.spent_s, self.seconds / 2)) / self.rounds
        return max(left_s - self.before_s, left_s / 10)


def compete(candidates: Sequence[Fit], purse: Purse, wanted: int | None) -> tuple[list[Entry], tuple[Rung, ...], float]:
    """The candidates that begin, so many or as many as the time affords, their rungs, and the processor seconds of all that."""
    network_s = purse.left_s()
    steps = network_s / float(np.median([fit.pace.step_s for fit in candidates]))
    number = min(wanted, len(candidates)) if wanted else divide(steps, len(candidates))
    rungs = rungs_for(number, steps)
    whole_s = network_s / (1 + overhead(number, rungs))
    return [entry_of("candidate", fit, whole_s) for fit in candidates[:number]], rungs, network_s


def baselines(
    found: Sequence[Fit],
    candidates: Sequence[Entry],
    seconds: float,
    dataset: Dataset,
    settings: AutoSettings,
    clock: Clock,
    say: Callable[[str], None],
) -> list[Entry]:
    """What the network will be held against, each with so many processor seconds.

    Args:
        found: the largest archs within the limits, of all spaces that were looked at.
        candidates: whose spaces are scaled uniformly.
        seconds: for each.
        dataset: the images.
        settings: which baselines, and the seed.
        clock: times networks.
        say: told what is found.
    """
    entries: list[Entry] = []
    spaces = {(entry.space, entry.image_size) for entry in candidates}
    if "uniform" in settings.baselines:
        entries += [entry_of("uniform", f, seconds) for f in found if (f.space.name, f.space.task.image_size) in spaces]
    if "vit" in settings.baselines:
        plain = PLAIN_SMALL if dataset.task.side < SMALL else PLAIN
        entries += [
            entry_of("vit", fit, seconds)
            for fit in at_the_limits((plain,), dataset.task, clock, say, torch_device=found[0].torch_device)
        ]
    if "random" in settings.baselines:
        entries.append(entry_of("random", random_fit(found, clock, np.random.default_rng(settings.seed)), seconds))
    if (
        "stock" in settings.baselines
        and (stock := slowest_stock(dataset.task, clock, torch_device=found[0].torch_device)) is not None
    ):
        entries.append(entry_of("stock", stock, seconds))
    return entries


def divide(steps: float, most: int) -> int:
    """How many candidates a time affords.

    Args:
        steps: of a usual candidate, if it had all that leads to the network.
        most: candidates at most.
    """
    if steps < SHORT_STEPS:
        return 1
    return next((n for n in range(most, 1, -1) if overhead(n, rungs_for(n, steps)) <= SPENT), 1)


def rungs_for(number: int, steps: float) -> tuple[Rung, ...]:
    """The rungs that so many candidates climb: first a third goes on, then one."""
    if number == 1:
        return ()
    first = min(SECOND, max(FIRST, LEAST_STEPS * (1 + SPENT) / steps))
    left = max(1, round(number / 3))
    return (Rung(first, left), Rung(SECOND, 1)) if left > 1 and first < SECOND else (Rung(first, 1),)


def overhead(number: int, rungs: Sequence[Rung]) -> float:
    """What the rungs cost beside the winner's own training, as a share of that."""
    spent, before = 0.0, 0.0
    for rung in rungs:
        spent += (number - 1) * (rung.share - before)
        number, before = rung.keep, rung.share
    return spent


def entry_of(role: Role, fit: Fit, seconds: float) -> Entry:
    """An arch as a plan has it, with as many steps as so many processor seconds give."""
    steps = max(1, int(seconds / fit.pace.step_s))
    size, arch = fit.space.task.side, fit.placed.arch.to_json()
    return Entry(
        role,
        fit.space.name,
        size,
        arch,
        dict(fit.placed.ms),
        fit.pace.step_s,
        fit.pace.channels_last,
        steps,
        fit.learning_rate,
    )
