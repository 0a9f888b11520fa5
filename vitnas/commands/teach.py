"""`vitnas teach`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import DATA, Config
from vitnas.commands.with_settings import Flags, Given, with_settings
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
    from vitnas.api.teaching import teach

    num_steps = teach(teacher, data.settings(config), out, train.settings(config), top_k=top_k, progress=True)
    print(f'{out}: answers to {num_steps} steps; train with [train.distil] logits = "{out}"')
