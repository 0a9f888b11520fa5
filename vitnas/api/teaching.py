"""Asking a teacher once about every image that a training will see."""

from __future__ import annotations

from pathlib import Path

import torch

from vitnas.interruption import going_on
from vitnas.progress import Bar
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.data.batches import Batches, fitting_size
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.torch_device import find_device
from vitnas.supernets.training.teachers import load_teacher, write_answers


def teach(
    teacher: str,
    data: DataSettings | str | Path,
    out: str | Path,
    settings: TrainSettings | None = None,
    *,
    top_k: int = 10,
    progress: bool = False,
) -> int:
    """Writes what a teacher answers to every image of a training, so that the training needs no teacher.

    Killed at any moment, the same call goes on where it stopped.

    Args:
        teacher: timm:NAME, timm:NAME@FILE.safetensors, run:FOLDER, run:FOLDER@ARCH.json or export:FOLDER.
        data: the images of the training.
        out: folder for the answers.
        settings: of the training: its epochs, batches, seed and augmentation.
        top_k: probabilities to keep of each answer.
        progress: shows a bar.

    Returns:
        The number of steps that have answers now.
    """
    settings = settings or TrainSettings()
    dataset = load_dataset(data if isinstance(data, DataSettings) else DataSettings(str(data)))
    network = load_teacher(teacher, dataset, find_device(settings.torch_device, "[train] torch_device"))
    if settings.threads:
        torch.set_num_threads(settings.threads)
    batch_size = fitting_size(settings.batch_size, len(dataset.train), settings.accumulate)
    steps_per_epoch = Batches(len(dataset.train), batch_size, settings.seed).per_epoch
    num_steps = settings.steps or settings.epochs * steps_per_epoch
    kept = going_on(f"the answers so far are kept in '{out}'; the same command goes on")
    with kept, Bar("steps", num_steps, progress) as bar:
        write_answers(
            Path(out),
            network,
            teacher,
            dataset,
            settings.augment,
            batch_size,
            settings.seed,
            num_steps,
            top_k,
            progress=lambda step: bar.update(done=step),
        )
    return num_steps
