"""Training on Ray Train: as many workers as asked for, each with a GPU or its share of the cores."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vitnas.errors import SettingsError, TrainingError, VitnasError
from vitnas.extras import load
from vitnas.interruption import postponed, stop_if_asked
from vitnas.ray_cluster import connect, disconnect
from vitnas.run import RunFolder
from vitnas.settings import make_settings
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.torch_device import AUTO
from vitnas.supernets.training.processes.distributed import LostWorldError
from vitnas.supernets.training.processes.ray_meeting import meeting
from vitnas.supernets.training.train import train

RESTARTS = 3
"""How often training starts again from the last checkpoint after a worker died."""

BEGUN, STOP = "begun", "stop"
"""Files by which workers tell that they are at work, and are asked to stop."""


def train_on_ray(run: RunFolder, workers: int, ray_address: str | None = None) -> None:
    """Trains the supernet of a run with several processes, from its newest checkpoint if there is one.

    When a worker dies all start again from the last checkpoint, and end with the weights they would have had. On
    several machines the run's folder must be one that all of them see. A signal is passed on to the workers, which
    finish their step and write a checkpoint.

    Args:
        run: as `start_run` made it.
        workers: how many processes share every batch.
        ray_address: of a running cluster, ``"auto"`` to find it; without one, a cluster of this machine.
    """
    settings = make_settings(TrainSettings, run.config.get("train", {}), f"{run.config_file}, [train]")
    check_workers(workers, settings)
    threads = settings.threads or torch.get_num_threads()
    cores = max(1, threads // workers)
    notes = run.path.resolve() / ".ray"
    shutil.rmtree(notes, ignore_errors=True)
    started = connect(workers * cores, ray_address or os.environ.get("RAY_ADDRESS"), TrainingError)
    import ray

    try:
        gpus, asked = ray.cluster_resources().get("GPU", 0), settings.torch_device
        if asked.startswith("cuda") and gpus < workers:
            raise SettingsError(
                f"{workers} workers need a GPU each, the Ray cluster has {gpus:g}; "
                f"ask for fewer, or set [train] torch_device to 'cpu'"
            )
        on_gpu = asked.startswith("cuda") or (asked == AUTO and gpus >= workers)
        notes.mkdir(mode=0o700)
        with postponed(partial(_ask, notes)):
            _fit(run, notes, workers, cores, on_gpu)
    finally:
        if started:
            disconnect()
        shutil.rmtree(notes, ignore_errors=True)


def check_workers(workers: int, settings: TrainSettings | None = None) -> None:
    """Refuses a number of workers that a batch does not divide among."""
    if workers < 1:
        raise SettingsError(f"cannot train with {workers} workers; give at least 1")
    if settings is not None and settings.batch_size % (workers * settings.accumulate):
        raise SettingsError(
            f"[train] batch_size is {settings.batch_size}, which does not divide into equal shares for {workers} "
            f"workers (accumulate {settings.accumulate}); choose a multiple of {workers * settings.accumulate}"
        )


def _fit(run: RunFolder, notes: Path, workers: int, cores: int, on_gpu: bool) -> None:
    load("pandas")  # Ray asks for it in words of its own
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    trainer = TorchTrainer(
        _work,
        train_loop_config={"run": str(run.path.resolve()), "notes": str(notes), "home": str(Path.cwd())},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=on_gpu, resources_per_worker={"CPU": cores}),
        torch_config=meeting(notes, "nccl" if on_gpu else "gloo"),
        run_config=RunConfig(storage_path=str(notes), name="train", failure_config=FailureConfig(RESTARTS)),
    )
    failure: Exception | None = None
    try:
        _beside(trainer.fit)
    except Exception as error:  # whatever Ray wraps the failures of its workers in
        failure = error
    if (told := _told(notes)) is not None:
        raise TrainingError(told)
    if failure is not None:
        stop_if_asked()  # where the signal went to Ray as well
        raise TrainingError(
            f"training of '{run.path}' stopped: {str(failure).strip()}; "
            f"go on from the last checkpoint with --resume {run.path}"
        )


def _work(config: dict[str, Any]) -> None:
    """What every worker does."""
    notes = Path(config["notes"])
    if _told(notes) is not None:
        return  # what went wrong would go wrong again, at every start that Ray has left
    from ray.train import get_context

    place = get_context()
    whole, local = (
        (place.get_world_rank(), place.get_world_size()),
        (place.get_local_rank(), place.get_local_world_size()),
    )
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    os.environ.update(zip(names, map(str, (*whole, *local)), strict=True))
    # Ray begins in a folder of its own that goes with the training, and loggers may write where they are.
    os.chdir(next(filter(os.path.isdir, (config["home"], config["run"]))))
    (notes / BEGUN).touch()
    try:
        train(RunFolder.open(Path(config["run"])), progress=False, stop=(notes / STOP).exists)
    except LostWorldError:
        raise  # another worker died, perhaps by accident: worth a restart
    except VitnasError as error:
        (notes / "error.txt").write_text(str(error), encoding="utf-8")
        raise


def _beside(work: Callable[[], object]) -> None:
    """Runs something in another thread: Ray would take the signals of this one."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    done.result()


def _ask(notes: Path) -> None:
    """A signal came: workers that are at work shall stop; without any there is nothing to wait for."""
    (notes / STOP).touch()
    if not (notes / BEGUN).exists():
        stop_if_asked()


def _told(notes: Path) -> str | None:
    """The error that ended the training, as a worker wrote it down."""
    file = notes / "error.txt"
    return file.read_text(encoding="utf-8") if file.is_file() else None


__all__ = ["check_workers", "train_on_ray"]
