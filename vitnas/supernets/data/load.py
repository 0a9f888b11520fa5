"""From settings to a data set: find the images, divide them, measure them, refuse what cannot be trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from vitnas.errors import DataError, UnknownNameError, suggest
from vitnas.registry import Registry
from vitnas.run import RunFolder
from vitnas.search_spaces import Task
from vitnas.settings import make_settings
from vitnas.supernets.data.dataset import Dataset
from vitnas.supernets.data.format import Format, pair
from vitnas.supernets.data.images import Images
from vitnas.supernets.data.settings import DataSettings
from vitnas.supernets.data.splits import Splits, held_back, measured

DATASETS: Registry[Callable[[], Splits]] = Registry(
    "dataset",
    "vitnas.datasets",
    {
        "digits": "vitnas.supernets.data.digits:digits",
    },
)
"""Data sets that have a name."""

FORMATS: Registry[type[Format]] = Registry(
    "data format",
    "vitnas.formats",
    {
        "arrays": "vitnas.supernets.data.arrays:Arrays",
        "huggingface": "vitnas.supernets.data.huggingface:HuggingFace",
        "image-folder": "vitnas.supernets.data.image_folder:ImageFolder",
        "webdataset": "vitnas.supernets.data.webdataset:WebDataset",
    },
)
"""Ways in which data sets lie at a path."""

PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")


def load_dataset(settings: DataSettings | str) -> Dataset:
    """The images that settings, or a bare name or path, speak of."""
    if isinstance(settings, str):
        settings = DataSettings(settings)
    found = _find(settings.name, settings)
    if settings.val is not None:
        judges = _find(settings.val, settings)
        found = pair(found, Splits(judges.val or judges.train, None, judges.classes), settings.val)
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
    mean, std = (settings.mean, settings.std) if settings.mean and settings.std else measured(train, where)
    if len(mean) != train.channels:
        raise DataError(
            f"{where}: mean and std have {len(mean)} numbers, but images have {train.channels} channels; give one each"
        )
    train, val = (replace(images, mean=mean, std=std) for images in (train, val))
    task = Task(train.image_size, len(found.classes), train.channels)
    return Dataset(_short(settings.name), task, train, val, mean, std, found.classes)


def dataset_of(run: RunFolder) -> Dataset:
    """What a run was trained on."""
    return load_dataset(make_settings(DataSettings, run.config["data"], f"{run.config_file}, [data]"))


def resolved(settings: DataSettings, dataset: Dataset) -> DataSettings:
    """Settings that find the same data set from any folder, and do not measure it again."""

    def absolute(place: str) -> str:
        return place if place in DATASETS else str(Path(place).absolute())

    return replace(
        settings,
        name=absolute(settings.name),
        val=settings.val and absolute(settings.val),
        image_size=dataset.task.image_size,
        in_channels=dataset.task.in_channels,
        mean=dataset.mean,
        std=dataset.std,
    )


def _find(name: str, settings: DataSettings) -> Splits:
    if name in DATASETS:
        return DATASETS.load(name)()
    path = Path(name)
    if path.suffix in PICKLES:
        raise DataError(
            f"'{name}' is a pickle, which vitnas never opens, for it could run any code; save arrays as .npz"
        )
    place = str(path.absolute())  # the process may walk elsewhere
    if settings.format is not None:
        return FORMATS.load(settings.format)().open(place, settings)
    if not path.exists() and "{" not in name:
        if "/" in name or path.suffix:
            raise DataError(f"data '{name}' does not exist; check the path, or name a data set: {', '.join(DATASETS)}")
        raise UnknownNameError(f"no dataset named '{name}', and no such path; {suggest(name, DATASETS)}")
    for kind in FORMATS:
        form = FORMATS.load(kind)()
        if form.recognises(place):
            return form.open(place, settings)
    raise DataError(
        f"data '{name}' looks like none of {', '.join(FORMATS)}; an image folder needs one subfolder a class; "
        f"docs/data.md shows each"
    )


def _check_classes(found: Splits, where: str) -> None:
    if len(found.classes) < 2:
        raise DataError(
            f"{where} has one class, {list(found.classes)}, so there is nothing to tell apart; add images of another"
        )
    for name, images in (("training", found.train), ("validation", found.val)):
        if images is not None and not len(images):
            raise DataError(f"{where} has no {name} images; add some")


def _short(name: str) -> str:
    """What people call it: the last part of a path, without its ending."""
    return name if name in DATASETS else Path(name).absolute().name.partition(".")[0].partition("{")[0].strip("-_")
