"""From what a format found to a data set: divided, measured, and refused where it cannot be trained on."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from vitnas.errors import DataError
from vitnas.search_spaces import Task
from vitnas.supernets.data.dataset import Dataset
from vitnas.supernets.data.images import Images
from vitnas.supernets.data.settings import DataSettings
from vitnas.supernets.data.splits import Splits, held_back, measured


def assemble(found: Splits, settings: DataSettings, name: str) -> Dataset:
    """The data set of this name, of the size and with the split that settings ask for."""
    where = f"dataset '{settings.name}'"
    _check_classes(found, where)

    def shaped(images: Images) -> Images:
        size, channels = settings.image_size or found.train.image_size, settings.in_channels or found.train.channels
        return replace(images, image_size=size, channels=channels)

    train = shaped(found.train)
    if found.val is None:
        back = held_back(train.labels[train.rows], settings.val_share, settings.seed)
        train, val = train.only(np.flatnonzero(~back)), train.only(np.flatnonzero(back))
    else:
        val = shaped(found.val)
    if not len(val):
        raise DataError(f"{where}: no images are left for validation; every class has one image; add images")
    _tell_of_single_images(found, where)
    mean, std = (settings.mean, settings.std) if settings.mean and settings.std else measured(train, where)
    if len(mean) != train.channels:
        raise DataError(
            f"{where}: mean and std have {len(mean)} numbers, but images have {train.channels} channels; give one each"
        )
    train, val = (replace(images, mean=mean, std=std) for images in (train, val))
    task = Task(train.image_size, len(found.classes), train.channels)
    return Dataset(name, task, train, val, mean, std, found.classes)


def _check_classes(found: Splits, where: str) -> None:
    if len(found.classes) < 2:
        raise DataError(
            f"{where} has one class, {list(found.classes)}, so there is nothing to tell apart; add images of another"
        )
    for name, images in (("training", found.train), ("validation", found.val)):
        if images is not None and not len(images):
            raise DataError(f"{where} has no {name} images; add some")


def _tell_of_single_images(found: Splits, where: str) -> None:
    """An image cannot be learnt from and judged; one alone is learnt from."""
    counts = np.bincount(found.train.labels[found.train.rows], minlength=len(found.classes))
    single = [found.classes[label] for label in np.flatnonzero(counts == 1)]
    if single and found.val is None:
        warnings.warn(
            f"{where}: {len(single)} of {len(counts)} classes have one image, such as {single[:5]}, which is learnt from, so these "
            f"classes are never judged; add images, or take the classes out",
            stacklevel=2,
        )
