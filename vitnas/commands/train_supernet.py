"""`vitnas train-supernet`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import SETTINGS_FILE, Config
from vitnas.errors import SettingsError
from vitnas.interruption import Stopped, going_on

DEFAULT_SPACE = "autoformer-mini"


def train_supernet(
    space: Annotated[
        str | None,
        typer.Option(help="Search space, see `vitnas spaces`, or a .toml or .py file (default: autoformer-mini)."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="'digits', built in and the default, or a folder or file of images.")
    ] = None,
    val: Annotated[
        str | None, typer.Option(help="Images that judge, if the data do not say; default: a share.")
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(help="Images for the accuracy told in the end, which nothing is chosen by; default: a share."),
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Side in pixels that networks see.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the new run (default: runs/DATA-SPACE).")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run instead, after a stop or a kill.")] = None,
    init: Annotated[
        str | None, typer.Option(help="First weights: timm:NAME, a safetensors file, an exported arch or a run.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step, over all workers.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its peak.")] = None,
    sampler: Annotated[
        str | None, typer.Option(help="Which subnets a step trains, see docs/samplers.md; default: sandwich.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, bf16, or fp16 on a GPU.")] = None,
    torch_device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:1.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that share every batch, on Ray Train.")] = 1,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, batches and archs.")] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads; default: all cores.")] = None,
    loader_threads: Annotated[int | None, typer.Option(help="That read images ahead; default: 2.")] = None,
    config: Config = None,
) -> None:
    """Train one set of weights for a whole space.

    Example: vitnas train-supernet --data photos/ --space autoformer-tiny
    """
    from vitnas.run import RunFolder
    from vitnas.settings import read_settings

    images = {"name": data, "val": val, "test": test, "image_size": image_size}
    flags = {
        "init": init,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "sampler": sampler,
        "precision": precision,
        "torch_device": torch_device,
        "seed": seed,
    }
    means = {"threads": threads, "loader_threads": loader_threads}
    if workers < 1:
        raise SettingsError(f"--workers {workers}: training needs at least 1")
    leads = os.environ.get("RANK", "0") == "0"
    if resume is not None:
        given: dict[str, object] = {
            "--space": space,
            "--data": data,
            "--val": val,
            "--test": test,
            "--image-size": image_size,
            "--out": out,
            "--config": config if config != SETTINGS_FILE else None,
        }
        given |= {f"--{name.replace('_', '-')}": value for name, value in flags.items()}
        for name, value in given.items():
            if value is not None:
                raise SettingsError(f"--resume goes on with the settings of the run; leave out {name}")
        run = RunFolder.open(resume)
        if leads:
            from vitnas.supernets.training.processes.distributed import from_environment
            from vitnas.supernets.training.resuming import change_means, other_bits

            change_means(run, **means)
            if (told := other_bits(run, max(workers, from_environment()[1]))) is not None:
                print(f"note: {told}", file=sys.stderr)
    else:
        from vitnas.search_spaces import load_space
        from vitnas.supernets.data import DataSettings, load_dataset
        from vitnas.supernets.training.processes.ray import check_workers
        from vitnas.supernets.training.train import TrainSettings, start_run, wait_for_run

        settings = read_settings(TrainSettings, config, "train", flags | means)
        check_workers(workers, settings)
        wanted = read_settings(DataSettings, config, "data", images)
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
            from vitnas.supernets.training.train import train

            if not train(run):
                raise Stopped(signal.SIGTERM)  # another process was asked to
    if leads:
        print(f"{run.path}: trained; next, profile your device: vitnas profile --run {run.path} --device cpu")
