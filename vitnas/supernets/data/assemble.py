"""From what a format found to a data set: divided, measured, and refused where it cannot be trained on."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError
from vitnas.search_spaces import Task
from vitnas.supernets.data.apart import check_apart
from vitnas.supernets.data.dataset import Dataset
from vitnas.supernets.data.images import Images
from vitnas.supernets.data.splits import (
    TEST_SHARE,
    Division,
    Splits,
    held_back,
    kept_for_test,
    usual_test_share,
)
from vitnas.supernets.data.statistics import measured
from vitnas.supernets.settings.data import DataSettings


def assemble(found: Splits, settings: DataSettings, name: str) -> Dataset:
    """The data set of this name, of the size and with the split that settings ask for."""
    where = f"dataset '{settings.name}'"
    _check_classes(found, where)
    check_apart(where, *(part for part in (found.train, found.val, found.test) if part is not None))

    def shaped(images: Images) -> Images:
        size, channels = settings.image_size or found.train.image_size, settings.in_channels or found.train.channels
        sized = replace(images, image_size=size, channels=channels, fit=settings.fit).decoded_by(settings.decoder)
        if settings.cache == "resized":
            return sized.kept_resized(where)
        return sized if settings.cache == "off" else sized.remembered()

    train = shaped(found.train)
    share = usual_test_share(len(train)) if settings.test_share is None else settings.test_share
    test = shaped(found.test) if found.test is not None else None
    if test is not None:
        share = share or TEST_SHARE  # not taken, but more than the nothing that would make the test validate
    elif share:
        train, test = _divided(train, kept_for_test(train.labels[train.rows], share, settings.seed))
        if not len(test):
            raise DataError(
                f"{where}: test_share = {share:g} of {len(train)} images leaves none for the test; give a larger share, "
                f"add images, or keep no test with test_share = 0"
            )
    if found.val is None:
        train, val = _divided(train, held_back(train.labels[train.rows], settings.val_share, settings.seed))
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
    test = replace(test, mean=mean, std=std) if test is not None else None
    task = Task(train.image_size, len(found.classes), train.channels, train.answer)
    elsewhere = settings.val is not None, settings.test is not None
    division = Division(settings.val_share, share, settings.seed, *elsewhere, settings.decoder, settings.fit)
    return Dataset(name, task, train, val, mean, std, found.classes, test, division)


def _divided(images: Images, back: NDArray[np.bool_]) -> tuple[Images, Images]:
    return images.only(np.flatnonzero(~back)), images.only(np.flatnonzero(back))


def _check_classes(found: Splits, where: str) -> None:
    if len(found.classes) < (1 if found.train.answer == "labels" else 2):
        raise DataError(
            f"{where} has one class, {list(found.classes)}, so there is nothing to tell apart; add images of another"
        )
    for name, images in (("training", found.train), ("validation", found.val), ("test", found.test)):
        if images is not None and not len(images):
            raise DataError(f"{where} has no {name} images; add some")


def _tell_of_single_images(found: Splits, where: str) -> None:
    """An image cannot be learnt from and judged; one alone is learnt from."""
    if found.train.truth is not None:
        return
    counts = np.bincount(found.train.labels[found.train.rows], minlength=len(found.classes))
    single = [found.classes[label] for label in np.flatnonzero(counts == 1)]
    if single and found.val is None:
        warnings.warn(
            f"{where}: {len(single)} of {len(counts)} classes have one image, such as {single[:5]}, which is learnt from, so these "
            f"classes are never judged; add images, or take the classes out",
            stacklevel=2,
        )
