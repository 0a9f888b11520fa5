"""`vitnas teach`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import Config
from vitnas.interruption import going_on


def teach(
    teacher: Annotated[
        str,
        typer.Option(help="timm:NAME, timm:NAME@FILE.safetensors, run:FOLDER, run:FOLDER@ARCH.json or export:FOLDER."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the answers; goes on with what is there.")],
    data: Annotated[str | None, typer.Option(help="Data set by name or path; 'digits' is built in.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step of the training, over all processes.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the training.")] = None,
    top_k: Annotated[int, typer.Option(help="Probabilities to keep of each answer.")] = 10,
    torch_device: Annotated[str | None, typer.Option(help="Where the teacher works, cpu or cuda.")] = None,
    config: Config = None,
) -> None:
    """Ask a teacher once about every image a training will see, so that the training needs no teacher.

    Example: vitnas teach --teacher run:runs/digits-autoformer-mini --data digits --epochs 20 --out runs/answers
    """
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vitnas.settings import read_settings
    from vitnas.supernets.data import DataSettings, load_dataset
    from vitnas.supernets.settings.train import TrainSettings
    from vitnas.supernets.training.batches import Batches, fitting_size
    from vitnas.supernets.training.teachers import load_teacher, write_answers

    flags = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "torch_device": torch_device}
    settings = read_settings(TrainSettings, config, "train", flags)
    dataset = load_dataset(read_settings(DataSettings, config, "data", {"name": data}))
    network = load_teacher(teacher, dataset, settings.torch_device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    batch_size = fitting_size(settings.batch_size, len(dataset.train), settings.accumulate)
    steps_per_epoch = Batches(len(dataset.train), batch_size, settings.seed).per_epoch
    num_steps = settings.steps or settings.epochs * steps_per_epoch
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    kept = going_on(f"the answers so far are kept in '{out}'; the same command goes on")
    with kept, Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("steps", total=num_steps)
        write_answers(
            out,
            network,
            teacher,
            dataset,
            settings.augment,
            batch_size,
            settings.seed,
            num_steps,
            top_k,
            progress=lambda step: bar.update(shown, completed=step),
        )
    print(f'{out}: answers to {num_steps} steps; train with [train.distil] logits = "{out}"')
