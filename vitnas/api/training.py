"""Training a supernet, going on with it, and asking its teacher beforehand."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from vitnas.api.loading import RUNS, load_space, run_of
from vitnas.api.telling import teller
from vitnas.interruption import Stopped, going_on
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.settings.train import LoaderName, TrainSettings
from vitnas.supernets.training.processes.distributed import from_environment
from vitnas.supernets.training.processes.ray import check_workers, train_on_ray
from vitnas.supernets.training.resuming import change_means, kept, other_bits
from vitnas.supernets.training.train import start_run, wait_for_run
from vitnas.supernets.training.train import train as train_here

DEFAULT_SPACE = "autoformer-mini"
DEFAULT_DATA = "digits"


def train(
    space: SearchSpace | str | Path = DEFAULT_SPACE,
    data: DataSettings | str | Path = DEFAULT_DATA,
    path: str | Path | None = None,
    settings: TrainSettings | None = None,
    *,
    workers: int = 1,
    ray_address: str | None = None,
    tune: bool = False,
    progress: bool = False,
) -> RunFolder:
    """Trains one set of weights for a whole space, in the folder of a new run.

    Killed at any moment, `resume` goes on with it. Under torchrun the processes train together.

    Args:
        space: what to train; a name or file is loaded for the task of the data.
        data: the images: a data set by name, a folder, a file, or all that can be said of them.
        path: the folder of the run; by default ``runs/DATA-SPACE``.
        settings: how to train.
        workers: processes that share every batch, on Ray.
        ray_address: Ray cluster to join.
        tune: makes a few steps in each memory layout, number format and so on, and trains in the quickest way.
        progress: shows a bar.
    """
    settings = settings or TrainSettings()
    check_workers(workers, settings)
    wanted = data if isinstance(data, DataSettings) else DataSettings(str(data))
    dataset = load_dataset(wanted)
    loaded = space if isinstance(space, SearchSpace) else load_space(space, task=dataset.task)
    folder = Path(path) if path is not None else RUNS / f"{dataset.name}-{loaded.file_name}"
    # torchrun calls this in many processes; the first one makes the folder.
    tune_by = teller(progress) if tune else None
    run = start_run(folder, loaded, wanted, settings, workers, tune_by) if leads() else wait_for_run(folder)
    return _train(run, workers, ray_address, progress)


def resume(
    run: RunFolder | str | Path | None = None,
    *,
    threads: int | None = None,
    loader_threads: int | None = None,
    loader: LoaderName | None = None,
    workers: int = 1,
    ray_address: str | None = None,
    progress: bool = False,
) -> RunFolder:
    """Goes on with the training of a run from its newest checkpoint, after a stop or a kill.

    Args:
        run: the run or its folder; None takes the newest below ``runs/``.
        threads: processor threads from now on.
        loader_threads: threads or processes that read images ahead from now on.
        loader: which of the two.
        workers: processes that share every batch, on Ray.
        ray_address: Ray cluster to join.
        progress: shows a bar, and prints what is said to standard error.
    """
    say = teller(progress)
    opened = run_of(run, say)
    check_workers(workers)
    if leads():
        change_means(opened, threads, loader_threads, loader)
        if (told := other_bits(opened, max(workers, from_environment()[1]))) is not None:
            say(f"note: {told}")
    return _train(opened, workers, ray_address, progress)


def _train(run: RunFolder, workers: int, ray_address: str | None, progress: bool) -> RunFolder:
    with going_on(lambda: kept(run)):
        if workers > 1 or ray_address is not None:
            train_on_ray(run, workers, ray_address, teller(progress))
        elif not train_here(run, progress):
            raise Stopped(signal.SIGTERM)  # another process was asked to
    return run


def leads() -> bool:
    """Whether this is the first of the processes that train together, or the only one."""
    return os.environ.get("RANK", "0") == "0"
