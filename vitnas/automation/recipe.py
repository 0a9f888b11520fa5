"""How a network is trained alone, by the kind of images it is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vitnas.supernets.data import Dataset
from vitnas.supernets.settings.augment import Augment
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.alone import AVERAGE, NEVER

BATCH = 64
LEARNING_RATE = 4e-3
PADDING = 8
"""Images shift by up to their shorter side divided by this."""


def augment_for(dataset: Dataset) -> Augment:
    """Photographs, known by their colours, are mirrored and shifted; gray images are shifted half as far.

    A mirror would turn letters and digits into others.
    """
    size = min(dataset.task.sides)
    if dataset.task.in_channels == 3:
        return Augment(flip=0.5, crop_padding=size // PADDING)
    return Augment(crop_padding=size // (2 * PADDING))


def recipe(dataset: Dataset, channels_last: bool, steps: int, **given: Any) -> TrainSettings:
    """The settings of a training of so many steps; it is judged by its averaged weights. A network learns alone unless told.

    Args:
        dataset: the images.
        channels_last: the memory layout.
        steps: of the whole training.
        given: further settings, such as its learning rate.
    """
    return replace(
        TrainSettings(
            steps=steps,
            batch_size=min(BATCH, len(dataset.train)),
            **{"learning_rate": LEARNING_RATE, "sampler": "single", **given},
        ),
        average=AVERAGE,
        augment=augment_for(dataset),
        channels_last=channels_last,
        evaluate_every=NEVER,
        checkpoint_every=NEVER,
        loggers=(),
    )
