"""`vitnas train-supernet`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vitnas.commands.options import DATA, SETTINGS_FILE, Config
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.errors import SettingsError
from vitnas.supernets.settings.data import DataSettings
from vitnas.supernets.settings.train import TrainSettings

MEANS = ("--threads", "--loader-threads", "--loader")
"""Flags of settings that a run may be resumed with: they change nothing that is learnt."""


@with_settings(
    data=DATA, train=Flags(TrainSettings, names={"sampler_options": "--sampler-option", "loggers": "--logger"})
)
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
    tune: Annotated[
        bool,
        typer.Option(
            "--tune",
            help="First make a few steps in each memory layout, number format and so on; the quickest is written into the run.",
        ),
    ] = False,
    config: Config = None,
) -> None:
    """Train one set of weights for a whole space.

    Example: vitnas train-supernet --data photos/ --space autoformer-tiny
    """
    from vitnas.api import training

    if workers < 1:
        raise SettingsError(f"--workers {workers}: training needs at least 1")
    how: dict[str, Any] = {"workers": workers, "ray_address": ray_address, "progress": True}
    if resume is None:
        run = training.train(
            space or training.DEFAULT_SPACE, data.settings(config), out, train.settings(config), tune=tune, **how
        )
    else:
        given: dict[str, object] = {
            "--space": space,
            "--out": out,
            "--config": config if config != SETTINGS_FILE else None,
        }
        told = [name for name, value in given.items() if value is not None] + [*data.flags, *train.flags]
        told += ["--tune"] if tune else []
        for name in told:
            if name not in MEANS:
                raise SettingsError(f"--resume goes on with the settings of the run; leave out {name}")
        how |= {name: train.values.get(name) for name in ("threads", "loader_threads", "loader")}
        run = training.resume(resume, **how)
    if training.leads():
        print(f"{run.path}: trained; next, profile your device: vitnas profile --run {run.path} --device cpu")
