"""`vitnas train-supernet`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import Config, SpaceName
from vitnas.errors import SettingsError


def train_supernet(
    space: SpaceName = "autoformer-mini",
    data: Annotated[str, typer.Option(help="Data set; 'digits' is built in.")] = "digits",
    out: Annotated[Path | None, typer.Option(help="Folder of the new run (default: runs/DATA-SPACE).")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run instead, after a stop or a kill.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its peak.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Which subnets a step trains: uniform or sandwich.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, batches and archs.")] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads; default: all cores.")] = None,
    config: Config = None,
) -> None:
    """Train one set of weights for a whole space.

    Example: vitnas train-supernet --data digits
    """
    from vitnas.run import RunFolder
    from vitnas.settings import read_settings

    flags = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "sampler": sampler,
        "seed": seed,
        "threads": threads,
    }
    if resume is not None:
        given = [name for name, value in {**flags, "out": out, "config": config}.items() if value is not None]
        if given:
            raise SettingsError(
                f"--resume goes on with the settings of the run; leave out --{given[0].replace('_', '-')}"
            )
        run = RunFolder.open(resume)
        from vitnas.supernets.training import train
    else:
        from vitnas.search_spaces import load_space
        from vitnas.supernets.data import load_dataset
        from vitnas.supernets.training import TrainSettings, start_run, train

        settings = read_settings(TrainSettings, config, "train", flags)
        loaded = load_space(space, load_dataset(data).task)
        run = start_run(out or Path("runs") / f"{data}-{loaded.name}", loaded, data, settings)
    train(run)
    print(f"{run.path}: trained; next, profile your device: vitnas profile --run {run.path} --device cpu")
