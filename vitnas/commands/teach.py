"""`vitnas teach`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import DATA, Config
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.interruption import going_on
from vitnas.supernets.settings.data import DataSettings
from vitnas.supernets.settings.train import TrainSettings

TAUGHT = ("epochs", "steps", "batch_size", "accumulate", "augment", "seed", "threads", "torch_device")
"""Settings of the training that decide what its images are, and what the teacher works with."""


@with_settings(data=DATA, train=Flags(TrainSettings, only=TAUGHT))
def teach(
    data: Given[DataSettings],
    train: Given[TrainSettings],
    teacher: Annotated[
        str,
        typer.Option(help="timm:NAME, timm:NAME@FILE.safetensors, run:FOLDER, run:FOLDER@ARCH.json or export:FOLDER."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the answers; goes on with what is there.")],
    top_k: Annotated[int, typer.Option(help="Probabilities to keep of each answer.")] = 10,
    config: Config = None,
) -> None:
    """Ask a teacher once about every image a training will see, so that the training needs no teacher.

    Example: vitnas teach --teacher run:runs/digits-autoformer-mini --data digits --epochs 20 --out runs/answers
    """
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vitnas.supernets.data import load_dataset
    from vitnas.supernets.data.batches import Batches, fitting_size
    from vitnas.supernets.training.teachers import load_teacher, write_answers

    settings = train.settings(config)
    dataset = load_dataset(data.settings(config))
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
