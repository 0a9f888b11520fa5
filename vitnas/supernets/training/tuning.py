"""The quickest way to make the same steps on this machine, found by making a few of them in each way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from vitnas.errors import SettingsError, TrainingError
from vitnas.search_spaces import SearchSpace
from vitnas.supernets.data import Dataset
from vitnas.supernets.goals import goal_of
from vitnas.supernets.goals.pursuit import Pursuit
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import Stopwatch, find_device
from vitnas.supernets.training.learner import Learner
from vitnas.supernets.training.lessons import Batch
from vitnas.supernets.training.loop import count_steps, plan_sampler
from vitnas.supernets.training.optimizer import make_optimizer
from vitnas.supernets.training.processes.distributed import World
from vitnas.supernets.training.samplers import Lesson
from vitnas.supernets.training.surroundings import surroundings

STEPS, ROUNDS = 3, 2
"""Steps that are timed, and how often; the least time of each counts."""
LONG_S = 20.0
"""A way that has taken so long is not timed further."""
WORTH = 0.95
"""Share of the time of a step that a way must come down to, so that it is taken: less may be chance."""


@dataclass(frozen=True)
class Tried:
    """How a way went.

    Attributes:
        step_s: seconds of a step, on average.
        first_s: seconds of the first one, with what was made ready for it.
    """

    step_s: float
    first_s: float


class DoesNotFitError(Exception):
    """A step takes more memory than there is."""


def tune(
    space: SearchSpace, settings: TrainSettings, dataset: Dataset, say: Callable[[str], None], processes: int = 1
) -> TrainSettings:
    """The settings with the memory layout, number format, compilation and shares of a batch that make steps quickest.

    A batch stays as large as it was asked for, because that decides what is learnt; what is tuned is in how many
    shares it passes. Each way is tried on top of the best before.

    Args:
        space: whose supernet is trained.
        settings: as asked, and checked.
        dataset: the images, of which none is read.
        say: told of each way.
        processes: that share every batch.
    """
    device = find_device(settings.torch_device, "[train] torch_device")
    steps = count_steps(settings, dataset)
    sampler = plan_sampler(settings, dataset, space)
    plans = [sampler.plan(max(0, steps - 1 - i)) for i in range(STEPS)]
    repeated = any(lesson.arch in (space.smallest(), space.largest()) for lesson in plans[0])

    def tried(way: TrainSettings) -> Tried:
        with surroundings(way, World(device=device)):
            return _trial(space, way, dataset, plans, processes, device)

    best, trial = _fitting(settings, sampler.parts * processes, tried, say)
    say(f"as asked: {_words(trial)}")
    for what, change in _changes(best, repeated):
        try:
            way = replace(best, **change)
            found = tried(way)
        except SettingsError:
            continue  # this and what else was asked for do not go together
        except Exception as error:  # compilers and drivers raise what they like
            [reason, *_] = str(error).strip().splitlines() or [type(error).__name__]
            say(f"{what}: left, {reason[:120]}")
            continue
        saves_s = (trial.step_s - found.step_s) * steps - max(0.0, found.first_s - found.step_s)
        taken = found.step_s <= WORTH * trial.step_s and saves_s > 0
        say(f"{what}: {_words(found)}, {'taken' if taken else 'left'}")
        if taken:
            best, trial = way, found
    return best


def _changes(settings: TrainSettings, repeated: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is tried, in order."""
    last = not settings.channels_last
    yield "channels last" if last else "channels first", {"channels_last": last}
    if settings.precision == "fp32":
        yield "bf16", {"precision": "bf16"}
    if settings.accumulate > 1:
        yield "the batch in one pass", {"accumulate": 1}
    if repeated and not settings.compile:
        yield "compiled", {"compile": True}


def _fitting(
    settings: TrainSettings, least: int, tried: Callable[[TrainSettings], Tried], say: Callable[[str], None]
) -> tuple[TrainSettings, Tried]:
    """The settings with as few more shares of a batch as memory demands.

    Args:
        settings: as asked.
        least: images of a share, for which a batch must suffice.
        tried: times them.
        say: told of what does not fit.
    """
    while True:
        try:
            return settings, tried(settings)
        except DoesNotFitError:
            shares = 2 * settings.accumulate
            if settings.batch_size % (shares * least):
                raise TrainingError(
                    f"[train] batch_size {settings.batch_size} does not fit into memory in {settings.accumulate} shares and "
                    f"divides no further; choose a smaller batch_size or a smaller space"
                ) from None
            say(f"a batch of {settings.batch_size} in {settings.accumulate} shares does not fit; trying {shares}")
            settings = replace(settings, accumulate=shares)


def _trial(
    space: SearchSpace,
    settings: TrainSettings,
    dataset: Dataset,
    plans: Sequence[Sequence[Lesson]],
    processes: int,
    device: torch.device,
) -> Tried:
    try:
        net = Supernet(space, settings.seed).train().to(device)
        if settings.channels_last:
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        pursuit = Pursuit(goal_of(dataset.task.answer))
        learner = Learner(net, make_optimizer(net, settings), settings, World(device=device), pursuit)
        shares = _batches(settings, dataset, processes, device)
        least_s = [float("inf")] * len(plans)
        whole, first = Stopwatch(device, wall=True), Stopwatch(device, wall=True)
        learner.learn(plans[0], shares, 0, drop_path=settings.drop_path)
        first_s = first.seconds()
        for _ in range(ROUNDS):
            for i, lessons in enumerate(plans):
                if whole.seconds() > LONG_S and least_s[0] < float("inf"):
                    break
                watch = Stopwatch(device, wall=True)
                learner.learn(lessons, shares, 0, drop_path=settings.drop_path)
                least_s[i] = min(least_s[i], watch.seconds())
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _says_memory(error):
            raise
        raise DoesNotFitError("it does not fit into memory") from error
    finally:
        if device.type == "cuda":
            torch.cuda.empty_cache()
    made = [seconds for seconds in least_s if seconds < float("inf")]
    return Tried(sum(made) / len(made), first_s)


def _batches(settings: TrainSettings, dataset: Dataset, processes: int, device: torch.device) -> list[Batch]:
    """The shares of one process's part of a batch, of gray images."""
    task = dataset.task
    size = settings.batch_size // (settings.accumulate * processes)
    x = torch.zeros(size, *task.image_shape, device=device)
    if settings.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    goal = goal_of(task.answer)
    y = goal.empty_truth(size, task.num_classes, task.image_shape).to(device)
    return [Batch(x, y, goal.soft(y, task.num_classes)) for _ in range(settings.accumulate)]


def _says_memory(error: BaseException) -> bool:
    """Whether it tells that memory is out, which torch on a processor says in words alone."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def _words(trial: Tried) -> str:
    return f"{1000 * trial.step_s:,.0f} ms a step"
