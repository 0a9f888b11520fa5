"""Training on Ray Train: as many workers as asked for, each with a GPU or its share of the cores."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
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
from vitnas.supernets.training.processes.setbacks import Setback, wait_for_lost, wait_for_room
from vitnas.supernets.training.resuming import other_bits
from vitnas.supernets.training.train import train

RESTARTS = 3
"""How often training starts again from the last checkpoint after workers were lost."""

COMES_BACK_S = 300.0
"""How long a lost machine may take to come back before fewer workers go on."""

BEGUN, STOP = "begun", "stop"
"""Files by which workers tell that they are at work, and are asked to stop."""


def train_on_ray(
    run: RunFolder,
    workers: int,
    ray_address: str | None = None,
    say: Callable[[str], None] = lambda text: None,
    patience_s: float = COMES_BACK_S,
) -> tuple[Setback, ...]:
    """Trains the supernet of a run with several processes, from its newest checkpoint if there is one.

    When a worker or a machine is lost all start again from the last checkpoint. As many workers as before end with the
    weights they would have had; where the cluster has no room for so many, and no machine comes back in time, fewer go on,
    and the weights agree to rounding. On several machines the run's folder must be one that all of them see. A signal is
    passed on to the workers, which finish their step and write a checkpoint.

    Args:
        run: as `start_run` made it.
        workers: how many processes share every batch.
        ray_address: of a running cluster, ``"auto"`` to find it; without one, a cluster of this machine.
        say: told in a line what was lost, and how the training goes on.
        patience_s: how long a lost machine may take to come back before fewer workers go on.

    Returns:
        What was lost on the way.
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
        place = _Place(run, notes, cores, on_gpu)
        with postponed(partial(_ask, notes)):
            return tuple(_keep_at_it(place, workers, settings, say, patience_s))
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


@dataclass(frozen=True)
class _Place:
    """Where a training runs: the same for all its starts."""

    run: RunFolder
    notes: Path
    cores: int
    on_gpu: bool

    def room(self) -> int:
        """For how many workers the machines that answer have room, whatever else they do."""
        import ray

        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return sum(
            min(int(has.get("CPU", 0)) // self.cores, int(has.get("GPU", 0)) if self.on_gpu else sys.maxsize)
            for has in alive
        )


def _keep_at_it(
    place: _Place, workers: int, settings: TrainSettings, say: Callable[[str], None], patience_s: float
) -> Iterator[Setback]:
    """Starts the workers, and those that are left again after each setback, until all steps are made."""
    for left in range(RESTARTS, -1, -1):
        failure = _fit(place, workers, RESTARTS - left, patience_s)
        if failure is None:
            return
        stop_if_asked()  # where the signal went to Ray as well
        reason = str(failure).strip()
        if left:
            before, fits = workers, partial(_divides, settings=settings)
            workers = wait_for_room(fits, place.room, before, patience_s)
            if workers:
                setback = Setback.of(place.run, before, workers)
                other = None if workers == before else other_bits(place.run, workers)
                say(f"note: {setback}" + (f". {other}" if other else ""))
                yield setback
                continue
            reason = f"the cluster has room for no worker that a batch of {settings.batch_size} images divides among"
        raise TrainingError(
            f"training of '{place.run.path}' stopped: {reason}; "
            f"go on from the last checkpoint with --resume {place.run.path}"
        )


def _divides(workers: int, settings: TrainSettings) -> bool:
    return settings.batch_size % (workers * settings.accumulate) == 0


def _fit(place: _Place, workers: int, attempt: int, patience_s: float) -> Exception | None:
    """Trains until the end, or until a worker is lost: what Ray then says. What a worker says is raised."""
    load("pandas")  # Ray asks for it in words of its own
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    run, notes = str(place.run.path.resolve()), place.notes
    # Ray starts nothing again: it would wait for room without end. Workers find room within a minute, or it looks once more.
    limits = {"controller_failure_limit": int(patience_s // 60), "max_preemption_failures": 0}
    limits = {name: limit for name, limit in limits.items() if name in FailureConfig.__dataclass_fields__}
    told = {"run": run, "notes": str(notes), "home": str(Path.cwd()), "attempt": attempt}
    trainer = TorchTrainer(
        _work,
        train_loop_config=told,
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=place.on_gpu, resources_per_worker={"CPU": place.cores}
        ),
        torch_config=meeting(notes, "nccl" if place.on_gpu else "gloo"),
        run_config=RunConfig(storage_path=str(notes), name=f"train-{attempt}", failure_config=FailureConfig(**limits)),
    )
    failure: Exception | None = None
    try:
        _beside(trainer.fit)
    except Exception as error:  # whatever Ray wraps the failures of its workers in
        failure = error
    if (words := _told(notes)) is not None:
        raise TrainingError(words)
    return failure


def _work(config: dict[str, Any]) -> None:
    """What every worker does."""
    notes = Path(config["notes"])
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
        run = RunFolder.open(Path(config["run"]))
        if config["attempt"] and not place.get_world_rank():
            wait_for_lost(run)
        train(run, progress=False, stop=(notes / STOP).exists)
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
