"""WebDataset: tar shards in which files of one name are one sample, such as 0001.jpg with 0001.cls."""

from __future__ import annotations

import math
import re
import tarfile
import warnings
from collections.abc import Hashable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from vitnas.errors import DataError
from vitnas.supernets.data.decoding import EXTENSIONS, LARGEST_FILE, UnreadableError
from vitnas.supernets.data.formats.folders import Place, is_junk, place_of, stamp_of
from vitnas.supernets.data.formats.format import (
    TEST,
    TRAIN,
    VAL,
    Format,
    UnlabelledError,
    folder_of_split,
    judges,
    with_judges,
)
from vitnas.supernets.data.formats.shards import members, read_label
from vitnas.supernets.data.pictures import Files, Pictures, number
from vitnas.supernets.data.splits import Splits
from vitnas.supernets.settings.data import DataSettings

BRACES = re.compile(r"\{([^{}]*)\}")
COUNT = re.compile(r"(\d{1,12})\.\.(\d{1,12})")
MOST_SHARDS = 1_000_000
LABEL_KEYS = ("label", "cls", "class")


class TarFiles(Files):
    """Members of tar files, by where their bytes begin and how many they are."""

    def __init__(self, shards: dict[Path, Place]) -> None:
        self.shards = shards
        self._stamps = {shard: stamp_of(shard.stat()) for shard in shards}
        self.members: list[tuple[Path, int, int, str]] = []

    def read(self, row: int) -> bytes:
        path, offset, size, _ = self.members[row]
        if size > LARGEST_FILE:
            raise UnreadableError(f"{size} bytes, more than an image of {LARGEST_FILE}")
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(size)

    def name(self, row: int) -> str:
        path, _, _, key = self.members[row]
        return f"{path.name}:{key}"

    def place(self, row: int) -> Hashable:
        path, offset, _, _ = self.members[row]
        return self.shards[path], offset

    def stamp(self, row: int) -> str:
        path, offset, size, _ = self.members[row]
        return f"{self._stamps[path]} {offset} {size}"


class WebDataset(Format):
    """FOLDER/*.tar, FOLDER/train*.tar with val*.tar and test*.tar, FOLDER/train/*.tar, or a pattern like data-{000..012}.tar."""

    def recognises(self, place: str) -> bool:
        path = Path(place)
        return ".tar" in path.suffixes or any(_tars(folder) for folder in (path, *_splits_of(path)))

    def open(self, place: str, settings: DataSettings) -> Splits:
        path = Path(place)
        if not path.is_dir():
            return _index([Path(name) for name in expand(place)], place, settings)
        splits = (TRAIN, *judges(settings))
        ours, to_validate, to_test = (_tars(folder_of_split(path, names)) for names in splits)
        if not ours:
            ours, to_validate, to_test = (_prefixed(_tars(path), names) for names in splits)
        if not ours:
            return _index(_tars(path), place, settings)
        return with_judges(
            _index(ours, place, settings),
            partial(_index, to_validate, place, settings) if to_validate else None,
            partial(_index, to_test, place, settings) if to_test else None,
            place,
        )


def expand(pattern: str) -> list[str]:
    """The names that a pattern with braces stands for: {000..012} counts, {a,b} lists."""
    parts = BRACES.split(pattern)
    if math.prod(_how_many(part) for part in parts[1::2]) > MOST_SHARDS:
        raise DataError(
            f"tar shards '{pattern}': the braces stand for more than {MOST_SHARDS} names; check the numbers"
        )
    return ["".join(chosen) for chosen in product(*(_choices(p) if i % 2 else [p] for i, p in enumerate(parts)))]


def _how_many(inside: str) -> int:
    if found := COUNT.fullmatch(inside):
        first, last = (int(number) for number in found.groups())
        if last < first:
            raise DataError(f"tar shards '{{{inside}}}' count down; write the smaller number first")
        return last - first + 1
    return inside.count(",") + 1


def _choices(inside: str) -> list[str]:
    if found := COUNT.fullmatch(inside):
        first, last = found.groups()
        return [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]
    return inside.split(",")


def _tars(folder: Path | None) -> list[Path]:
    if folder is None or not folder.is_dir():
        return []
    return sorted(tar for tar in folder.glob("*.tar") if not is_junk(tar.name))


def _distinct(shards: list[Path], where: str) -> dict[Path, Place]:
    """Each real shard once, by its first name, and where it lies."""
    found: dict[Place, Path] = {}
    for shard in shards:
        if not shard.is_file():
            raise DataError(f"tar shard '{shard}' does not exist; check the path or the numbers in braces")
        found.setdefault(place_of(shard.stat()), shard)
    if again := len(shards) - len(found):
        warnings.warn(
            f"tar shards '{where}': {again} are links to others or named twice; each counts once", stacklevel=2
        )
    return {shard: place for place, shard in found.items()}


def _splits_of(path: Path) -> Iterator[Path]:
    return (folder for names in (TRAIN, VAL, TEST) if (folder := folder_of_split(path, names)) is not None)


def _prefixed(tars: list[Path], names: tuple[str, ...]) -> list[Path]:
    for name in names:
        if found := [tar for tar in tars if re.match(rf"(.*[-_.])?{name}([-_.]|\d|$)", tar.stem)]:
            return found
    return []


def _index(shards: list[Path], where: str, settings: DataSettings) -> Splits:
    """Notes where every image begins, and its label; later any of them is read without the others."""
    files, names = TarFiles(_distinct(shards, where)), []
    for shard in files.shards:
        for key, found in _samples(shard, settings.label_column).items():
            if "image" in found and "label" in found:
                files.members.append((shard, *found["image"], key))
                names.append(found["label"])
    if not names:
        raise UnlabelledError(
            f"tar shards '{where}': no sample has both an image ({', '.join(EXTENSIONS[:4])}) and a label (.cls, or "
            f".json with a key {' or '.join(LABEL_KEYS)}); check the shards, or name the key with label_column"
        )
    labels, classes = number(names)
    return Splits(Pictures.of(files, labels, where, settings.max_damaged), None, classes)


def _samples(shard: Path, label_column: str | None) -> dict[str, dict[str, Any]]:
    samples: dict[str, dict[str, Any]] = {}
    keys = (label_column,) if label_column else LABEL_KEYS
    try:
        with shard.open("rb") as raw:
            for member in members(shard):
                folder, _, base = member.name.rpartition("/")
                stem, _, extension = base.partition(".")
                last = extension.lower().rpartition(".")[2]
                sample = samples.setdefault(f"{folder}/{stem}" if folder else stem, {})
                if f".{last}" in EXTENSIONS:
                    sample.setdefault("image", (member.offset_data, member.size))
                elif last in ("cls", "json"):
                    label = read_label(raw, member, shard, keys)
                    if label is not None:
                        sample["label"] = label
    except (tarfile.TarError, OSError, RecursionError, ValueError) as error:
        raise DataError(
            f"tar shard '{shard}' cannot be read: {error}; shards must be plain tar, not packed, and whole"
        ) from None
    return samples
