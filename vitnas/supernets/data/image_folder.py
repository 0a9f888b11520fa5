"""A folder of image files, with a subfolder for every class; also with train/, val/ and test/ above them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from vitnas.errors import DataError
from vitnas.supernets.data.decoding import EXTENSIONS
from vitnas.supernets.data.format import TRAIN, Format, folder_of_split, judges, with_judges
from vitnas.supernets.data.pictures import Files, Pictures
from vitnas.supernets.data.settings import DataSettings
from vitnas.supernets.data.splits import Splits


class PathFiles(Files):
    """Files of a folder."""

    def __init__(self, root: Path, names: list[str]) -> None:
        self._root, self._names = str(root), names

    def read(self, row: int) -> bytes:
        with open(os.path.join(self._root, self._names[row]), "rb", buffering=0) as file:
            return file.read()

    def name(self, row: int) -> str:
        return self._names[row]


class ImageFolder(Format):
    """FOLDER/CLASS/NAME.jpg, or FOLDER/train/CLASS/NAME.jpg with FOLDER/val/ and FOLDER/test/ alike."""

    def recognises(self, place: str) -> bool:
        return Path(place).is_dir() and next(_inside(Path(place)), None) is not None

    def open(self, place: str, settings: DataSettings) -> Splits:
        root = Path(place)
        train, val, test = (folder_of_split(root, names) for names in (TRAIN, *judges(settings)))
        if train is None or not _subfolders(train):
            return _classes(root, settings)
        return with_judges(
            _classes(train, settings),
            partial(_classes, val, settings) if val is not None else None,
            partial(_classes, test, settings) if test is not None and _subfolders(test) else None,
            place,
        )


def _classes(root: Path, settings: DataSettings) -> Splits:
    classes = _subfolders(root)
    if not classes:
        raise DataError(
            f"image folder '{root}' has no classes: it needs one subfolder a class; put the images into subfolders"
        )
    names, labels, empty = [], [], []
    for label, name in enumerate(classes):
        inside = sorted(_inside(root / name))
        names += [f"{name}/{file}" for file in inside]
        labels += [label] * len(inside)
        if not inside:
            empty.append(name)
    if empty:
        raise DataError(
            f"image folder '{root}': no images in {empty[:5]}; every subfolder is a class and needs files that end "
            f"with {', '.join(EXTENSIONS)}; fill or remove them"
        )
    pictures = Pictures.of(PathFiles(root, names), np.array(labels), str(root), settings.max_damaged)
    return Splits(pictures, None, tuple(classes))


def _subfolders(root: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))


def _inside(folder: Path) -> Iterator[str]:
    """Image files anywhere below a folder, relative to it."""
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(here, folder)
        for name in files:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                yield name if below == "." else f"{below}/{name}"
