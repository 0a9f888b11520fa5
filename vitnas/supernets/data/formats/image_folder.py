"""A folder of image files, with a subfolder for every class; also with train/, val/ and test/ above them."""

from __future__ import annotations

import os
import warnings
from functools import partial
from pathlib import Path

import numpy as np

from vitnas.errors import DataError
from vitnas.supernets.data.decoding import EXTENSIONS
from vitnas.supernets.data.formats.folders import Place, Walk, is_junk, read_limited, stamp_of
from vitnas.supernets.data.formats.format import TRAIN, Format, folder_of_split, judges, with_judges
from vitnas.supernets.data.pictures import Files, Pictures
from vitnas.supernets.data.splits import Splits
from vitnas.supernets.settings.data import DataSettings


class PathFiles(Files):
    """Files of a folder, by name, and where each of them really lies."""

    def __init__(self, root: Path, names: list[str], places: list[Place]) -> None:
        self._root, self._names, self._places = str(root), names, places

    def read(self, row: int) -> bytes:
        with open(os.path.join(self._root, self._names[row]), "rb", buffering=0) as file:
            return read_limited(file)

    def name(self, row: int) -> str:
        return self._names[row]

    def place(self, row: int) -> Place:
        return self._places[row]

    def stamp(self, row: int) -> str | None:
        try:
            return stamp_of(os.stat(os.path.join(self._root, self._names[row])))
        except OSError:
            return None


class ImageFolder(Format):
    """FOLDER/CLASS/NAME.jpg, or FOLDER/train/CLASS/NAME.jpg with FOLDER/val/ and FOLDER/test/ alike."""

    def recognises(self, place: str) -> bool:
        return Path(place).is_dir() and next(iter(Walk(Path(place))), None) is not None

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
    owners: dict[Place, str] = {}  # by real file, the name under which it counts
    names, labels, again, empty = [], [], [], []
    for label, name in enumerate(classes):
        inside, walk = [], Walk(root / name)
        for file in sorted(walk):
            first = owners.setdefault(file.place, f"{name}/{file.name}") if file.place >= 0 else file.name
            if file.place < 0 or first == f"{name}/{file.name}":
                inside.append((file.name, file.place))
            elif first.startswith(f"{name}/"):
                again.append(f"{name}/{file.name}")
            else:
                raise DataError(
                    f"image folder '{root}': '{first}' and '{name}/{file.name}' are one file, by a link, but two "
                    f"classes; an image has one class, so remove one of the two"
                )
        again += [f"{name}/{folder}" for folder in walk.again]
        names += [(f"{name}/{file}", place) for file, place in sorted(inside)]
        labels += [label] * len(inside)
        if not inside:
            empty.append(name)
    if empty:
        raise DataError(
            f"image folder '{root}': no images in {empty[:5]}; every subfolder is a class and needs files that end "
            f"with {', '.join(EXTENSIONS)}; fill or remove them"
        )
    if again:
        warnings.warn(
            f"image folder '{root}': {len(again)} links lead to what is there already, such as {again[:3]}; each "
            f"image counts once",
            stacklevel=2,
        )
    files = PathFiles(root, [name for name, _ in names], [place for _, place in names])
    return Splits(Pictures.of(files, np.array(labels), str(root), settings.max_damaged), None, tuple(classes))


def _subfolders(root: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not is_junk(entry.name))
