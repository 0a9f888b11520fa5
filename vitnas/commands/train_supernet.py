"""`vitnas train-supernet`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import DATA, SETTINGS_FILE, Config
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.errors import SettingsError
from vitnas.interruption import Stopped, going_on
from vitnas.supernets.settings.data import DataSettings
from vitnas.supernets.settings.train import TrainSettings

DEFAULT_SPACE = "autoformer-mini"
MEANS = ("--threads", "--loader-threads")
"""Flags of settings that a run may be resumed with: they change nothing that is learnt."""


@with_settings(data=DATA, train=Flags(TrainSettings, names={"sampler_options": "--sampler-option"}))
def train_supernet(
    data: Given[DataSettings],
    train: Given[TrainSettings],
    space: Annotated[
        str | None,
        typer.Option(help="Search space, see `vitnas spaces`, or a .toml or .py file (default: autoformer-mini)."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the new run (default: runs/DATA-SPACE).")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run instead, after a stop or a kill.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that share every batch, on Ray Train.")] = 1,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    config: Config = None,
) -> None:
    """Train one set of weights for a whole space.

    Example: vitnas train-supernet --data photos/ --space autoformer-tiny
    """
    from vitnas.run import RunFolder

    if workers < 1:
        raise SettingsError(f"--workers {workers}: training needs at least 1")
    leads = os.environ.get("RANK", "0") == "0"
    if resume is not None:
        given: dict[str, object] = {
            "--space": space,
            "--out": out,
            "--config": config if config != SETTINGS_FILE else None,
        }
        told = [name for name, value in given.items() if value is not None] + [*data.flags, *train.flags]
        for name in told:
            if name not in MEANS:
                raise SettingsError(f"--resume goes on with the settings of the run; leave out {name}")
        run = RunFolder.open(resume)
        if leads:
            from vitnas.supernets.training.processes.distributed import from_environment
            from vitnas.supernets.training.resuming import change_means, other_bits

            change_means(run, train.values.get("threads"), train.values.get("loader_threads"))
            if (note := other_bits(run, max(workers, from_environment()[1]))) is not None:
                print(f"note: {note}", file=sys.stderr)
    else:
        from vitnas.search_spaces import load_space
        from vitnas.supernets.data import load_dataset
        from vitnas.supernets.training.processes.ray import check_workers
        from vitnas.supernets.training.train import start_run, wait_for_run

        settings = train.settings(config)
        check_workers(workers, settings)
        wanted = data.settings(config)
        dataset = load_dataset(wanted)
        loaded = load_space(space or DEFAULT_SPACE, dataset.task)
        path = out or Path("runs") / f"{dataset.name}-{loaded.name}"
        # torchrun starts this command many times; the first one makes the folder.
        run = start_run(path, loaded, wanted, settings, workers) if leads else wait_for_run(path)
    from vitnas.supernets.training.resuming import kept

    with going_on(lambda: kept(run)):
        if workers > 1 or ray_address is not None:
            from vitnas.supernets.training.processes.ray import train_on_ray

            train_on_ray(run, workers, ray_address)
        else:
            from vitnas.supernets.training.train import train as train_here

            if not train_here(run):
                raise Stopped(signal.SIGTERM)  # another process was asked to
    if leads:
        print(f"{run.path}: trained; next, profile your device: vitnas profile --run {run.path} --device cpu")
