"""From settings to a data set: find the images, divide them, measure them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vitnas.registry import Registry
from vitnas.run import RunFolder
from vitnas.search_spaces import Task
from vitnas.settings import make_settings
from vitnas.supernets.data.dataset import Dataset
from vitnas.supernets.data.settings import DataSettings
from vitnas.supernets.data.splits import Splits, held_back, measured

DATASETS: Registry[Callable[[], Splits]] = Registry(
    "dataset",
    "vitnas.datasets",
    {
        "digits": "vitnas.supernets.data.digits:digits",
    },
)


def load_dataset(settings: DataSettings | str) -> Dataset:
    """The images that settings, or a bare name or path, speak of; refuses what cannot be trained on."""
    if isinstance(settings, str):
        settings = DataSettings(settings)
    found = DATASETS.load(settings.name)()
    train, val = found.train, found.val
    size, channels = settings.image_size or train.image_size, settings.in_channels or train.channels
    train = replace(train, image_size=size, channels=channels)
    if val is None:
        back = held_back(train.labels[train.rows], settings.val_share, settings.seed)
        train, val = train.only(np.flatnonzero(~back)), train.only(np.flatnonzero(back))
    if settings.mean is None or settings.std is None:
        mean, std = measured(train, f"dataset '{settings.name}'")
    else:
        mean, std = settings.mean, settings.std
    train, val = (
        replace(train, mean=mean, std=std),
        replace(val, image_size=size, channels=channels, mean=mean, std=std),
    )
    task = Task(train.image_size, len(found.classes), train.channels)
    return Dataset(settings.name, task, train, val, mean, std, found.classes)


def dataset_of(run: RunFolder) -> Dataset:
    """What a run was trained on."""
    return load_dataset(make_settings(DataSettings, run.config["data"], f"{run.config_file}, [data]"))
