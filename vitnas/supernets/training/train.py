"""Training a supernet: lessons on shared weights, one update a step, resumable to the same bits."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import torch

from vitnas.errors import CheckpointError, SettingsError
from vitnas.files import only_here
from vitnas.interruption import asked, postponed
from vitnas.loggers.names import refuse_missing
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace
from vitnas.settings import make_settings
from vitnas.supernets.counting.cache import count_specs
from vitnas.supernets.data import Dataset, DataSettings, dataset_of, load_dataset
from vitnas.supernets.data import resolved as resolved_data
from vitnas.supernets.data.batches import fitting_size
from vitnas.supernets.experts import check_experts
from vitnas.supernets.resolution import check_sizes
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import find_device
from vitnas.supernets.training.loop import TrainingLoop, count_steps, plan_sampler
from vitnas.supernets.training.processes.distributed import join_world
from vitnas.supernets.training.pursuing import check_pursuit
from vitnas.supernets.training.seen import warning_of_seen
from vitnas.supernets.training.surroundings import surroundings
from vitnas.supernets.training.teachers import make_teacher
from vitnas.supernets.training.tuning import tune
from vitnas.supernets.weights.initial_weights import initialise


def start_run(
    path: Path,
    space: SearchSpace,
    data: DataSettings | str,
    settings: TrainSettings,
    workers: int = 1,
    tune_by: Callable[[str], None] | None = None,
) -> RunFolder:
    """Makes the folder of a run, with everything that `train` needs to know; refuses what cannot work.

    Where there are fewer images than a batch takes, the batches of the run are smaller, with a warning.

    Args:
        path: of the new folder.
        space: built for the task that the data pose.
        data: which images, or just their name.
        settings: how to train.
        workers: processes that will share every batch.
        tune_by: told of each way to make a step that is tried, and the quickest is the run's; without it none is tried.
    """
    RunFolder(path).check_free()
    wanted = DataSettings(data) if isinstance(data, str) else data
    dataset = load_dataset(wanted)
    dataset.check(space)
    refuse_missing(settings.loggers or ())
    processes = max(workers, int(os.environ.get("WORLD_SIZE", 1)))
    size = fitting_size(settings.batch_size, len(dataset.train), processes * settings.accumulate)
    settings = replace(settings, batch_size=size)
    _check(settings, dataset, space, processes, find_device(settings.torch_device, "[train] torch_device"))
    _check_pupils(settings, dataset, space)
    if space.source is not None:
        count_specs(space)  # refuses layers that cannot be built; the spaces of vitnas are tested for it
    if settings.init is not None:
        initialise(Supernet(space, settings.seed), settings.init)  # refuses weights that do not fit
    steps = (settings.batch_size, settings.seed, count_steps(settings, dataset))
    make_teacher(settings.distil, dataset, settings.augment, *steps)  # refuses a teacher that cannot teach this
    if tune_by is not None:
        settings = tune(space, settings, dataset, tune_by, processes)
    resolved = replace(settings, threads=settings.threads or torch.get_num_threads())
    images = resolved_data(wanted, dataset)
    if (seen := warning_of_seen(dataset, images, settings)) is not None:
        warnings.warn(seen, stacklevel=2)
    return RunFolder.create(path, space, {"data": asdict(images), "train": asdict(resolved)})


def wait_for_run(path: Path, seconds: float = 600.0) -> RunFolder:
    """The run that the first of several processes is making; this is one of the others."""
    deadline = time.monotonic() + seconds
    while not RunFolder(path).config_file.is_file():
        if time.monotonic() > deadline:
            raise CheckpointError(
                f"the first process has made no run '{path}' in {seconds:g} s; see what it said, and that all "
                f"processes see the same folder"
            )
        time.sleep(0.1)
    return RunFolder.open(path)


def train(run: RunFolder, progress: bool = True, stop: Callable[[], bool] = asked, until: int | None = None) -> bool:
    """Trains the supernet of a run to its end, from its newest checkpoint if there is one.

    Started by torchrun or Ray Train it works together with the other processes. Asked to stop it finishes its step and
    writes a checkpoint.

    Args:
        run: as `start_run` made it.
        progress: whether to draw a bar on stderr.
        stop: whether this process is asked to; by a signal, unless told otherwise.
        until: the step to pause at, with a checkpoint; a later call goes on as if there had been no pause.

    Returns:
        Whether all steps are made; not so at a pause, and where another process was asked to stop.
    """
    tables = run.config
    if not {"train", "data"} <= tables.keys():
        raise CheckpointError(f"{run.config_file} has no tables [train] and [data]; make the run with train-supernet")
    settings = make_settings(TrainSettings, tables["train"], f"{run.config_file}, [train]")
    dataset = dataset_of(run)
    dataset.check(run.space)
    with join_world(find_device(settings.torch_device, "[train] torch_device")) as world:
        _check(settings, dataset, run.space, world.size, world.device)
        alone = only_here(run.path, "training") if world.leads else nullcontext()
        with alone, surroundings(settings, world):
            loop = TrainingLoop(run, settings, dataset, world)
            with postponed():
                finished = loop.finish(progress, stop, until)
        if world.leads and (damage := dataset.damage()) is not None:
            warnings.warn(damage, stacklevel=2)
    return finished


def _check(
    settings: TrainSettings, dataset: Dataset, space: SearchSpace, num_processes: int, device: torch.device
) -> None:
    """Refuses settings that do not go with the data, the space or this machine."""
    check_pursuit(settings, dataset, space)
    check_sizes(settings.resolution, space)
    check_experts(settings.experts, space)
    if settings.batch_size > len(dataset.train):
        raise SettingsError(
            f"[train] batch_size is {settings.batch_size}, but dataset '{dataset.name}' has {len(dataset.train)} "
            f"training images; choose at most that"
        )
    shares = num_processes * settings.accumulate
    if settings.batch_size % shares:
        raise SettingsError(
            f"[train] batch_size is {settings.batch_size}, which does not divide into {shares} equal shares "
            f"({num_processes} processes, accumulate {settings.accumulate}); choose a multiple of {shares}"
        )
    parts, share = plan_sampler(settings, dataset, space).parts, settings.batch_size // shares
    if share < parts:
        num_images = len(dataset.train)
        enough = num_images >= parts * shares
        instead = f"the {num_images} training images allow sampler 'uniform', or fewer processes and shares"
        raise SettingsError(
            f"[train] sampler '{settings.sampler}' divides a batch among {parts} archs, but a share of batch_size "
            f"{settings.batch_size} is {share} images ({num_processes} processes, accumulate {settings.accumulate}); "
            f"{f'choose at least {parts * shares}' if enough else instead}"
        )
    if settings.precision == "fp16" and device.type == "cpu":
        raise SettingsError(
            "[train] precision is 'fp16', and torch_device 'auto' found no GPU here; choose 'bf16' or 'fp32'"
        )


def _check_pupils(settings: TrainSettings, dataset: Dataset, space: SearchSpace) -> None:
    """Refuses a projection for pupils that there never are: who has any has them in the last step."""
    if settings.conflict == "sum":
        return
    num_steps = count_steps(settings, dataset)
    if not any(lesson.teachers for lesson in plan_sampler(settings, dataset, space).plan(num_steps - 1)):
        raise SettingsError(
            f"[train] conflict is '{settings.conflict}', but in {num_steps} steps sampler '{settings.sampler}' has no "
            f"lesson that another one teaches; choose conflict 'sum', or sampler 'sandwich', 'pareto', 'complexity' or "
            f"'performance' with a label_share below 1 (or label_steps below {num_steps}) in [train.sampler_options]"
        )


__all__ = ["TrainSettings", "start_run", "train", "wait_for_run"]
