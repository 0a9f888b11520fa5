"""From a trained supernet and limits to a plan: its best archs compete, each from its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.fitting import Fit, at_the_limits
from vitnas.automation.candidates.lanes import Lanes
from vitnas.automation.candidates.pace import measure_pace
from vitnas.automation.candidates.scaling import largest_uniform
from vitnas.automation.plan import Plan
from vitnas.automation.planning import Purse, baselines, compete
from vitnas.automation.recipe import BATCH, LEARNING_RATE
from vitnas.automation.settings import AutoSettings
from vitnas.automation.shortlist import judging_s, shortlist
from vitnas.errors import SettingsError
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, load_space
from vitnas.supernets.data import Dataset, DataSettings, data_settings_of, dataset_of, resolved
from vitnas.supernets.torch_device import find_device

JUDGING = 0.1
"""Share of the time in which archs are judged on the weights of the supernet."""
FEW, MANY = 4, 64
"""Archs that are judged at least and at most."""
CANDIDATES = 3
"""Of them, those that are trained further at first."""
DIVIDES = ("name", "val", "test", "val_share", "test_share", "seed", "in_channels")
"""What decides which images a network is trained on."""
SLOWER = 0.5
"""Learning rate of what begins with trained weights, as a share of the usual one."""


def plan_from(
    run: RunFolder,
    dataset: Dataset,
    settings: AutoSettings,
    clock: Clock,
    lanes: Lanes,
    say: Callable[[str], None],
    shared_s: float = 0.0,
) -> Plan:
    """Judges archs of a run within the limits, and lets the best compete.

    Args:
        run: a trained supernet.
        dataset: the images of the question, at their own size.
        settings: what was asked.
        clock: with the limits of one network.
        lanes: that all trainings have together.
        say: told what is found.
        shared_s: processor seconds of the supernet that baselines get as well.
    """
    purse, space = Purse.of(settings, lanes, shared_s), named_space(run)
    images = dataset_of(run)
    within = largest_uniform(run.space, clock)
    device = find_device(lanes.torch_device)
    pace = measure_pace(run.space, within.arch if within is not None else run.space.smallest(), BATCH, device)
    afforded = int(JUDGING * purse.left_s() / judging_s(pace.step_s, BATCH))
    best = shortlist(run, images, clock, min(MANY, max(FEW, afforded)), settings.seed, say, device)
    fits = [
        Fit(space, one.placed, SLOWER * LEARNING_RATE, lanes.torch_device)
        for one in best[: settings.candidates or CANDIDATES]
    ]
    entries, rungs, network_s = compete(fits, purse, settings.candidates)
    names = (_name(run),) if settings.baselines else ()
    found = at_the_limits(names, dataset.task, clock, say, torch_device=lanes.torch_device) if names else []
    entries += baselines(found, entries, network_s + shared_s, dataset, settings, clock, say)
    if run.space.source is not None:  # a plan names a space of one's own by its file
        entries = [replace(entry, space=_name(run)) if entry.space == run.space.name else entry for entry in entries]
    return purse.plan(entries, rungs, settings.seed)


def named_space(run: RunFolder) -> SearchSpace:
    """The whole space that a run's supernet spans, or spans a part of."""
    return load_space(_name(run), run.space.task)


def check_run(run: RunFolder, data: DataSettings, dataset: Dataset) -> None:
    """Refuses a run that has seen other images: those it was trained on might be among the test images."""
    theirs, ours = data_settings_of(run), resolved(data, dataset)
    for name in DIVIDES:
        has, wanted = getattr(theirs, name), getattr(ours, name)
        if has != wanted:
            raise SettingsError(
                f"[auto] run '{run.path}' was trained with [data] {name} = {has!r}, so it may have seen the test images of "
                f"{name} = {wanted!r}; give the same, or another run"
            )


def _name(run: RunFolder) -> str:
    """By which `load_space` finds it."""
    source = run.space.source
    return run.space.name if source is None else str(run.path / f"space{source.suffix}")
