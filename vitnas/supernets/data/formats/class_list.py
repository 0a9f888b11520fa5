"""The classes of pixels as a file beside masks lists them: names in the order of their numbers, perhaps with colours."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from vitnas.errors import DataError
from vitnas.supernets.data.truths import IGNORED

NAMES, COLOURS = "classes.txt", "classes.csv"
IGNORE = "ignore"
"""The name of colours whose pixels count nothing."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassList:
    """Names of classes, and the class of each colour where masks are painted."""

    names: tuple[str, ...]
    colours: dict[Colour, int]


def read_class_list(folder: Path) -> ClassList:
    """What a folder with masks says of classes."""
    if (folder / COLOURS).is_file():
        return _painted(folder / COLOURS)
    file = folder / NAMES
    if not file.is_file():
        raise DataError(
            f"'{folder}' has masks, but no list of classes; write '{NAMES}', a name a line in the order of the numbers in masks, "
            f"or '{COLOURS}' with the columns name, red, green, blue"
        )
    names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    _check(names, file)
    return ClassList(tuple(names), {})


def _painted(file: Path) -> ClassList:
    with file.open(newline="", encoding="utf-8-sig") as opened:
        rows = list(csv.DictReader(opened))
    names: list[str] = []
    colours: dict[Colour, int] = {}
    for number, row in enumerate(rows, 2):
        where = f"'{file}', line {number}"
        try:
            name = row["name"].strip()
            red, green, blue = (int(row[channel]) for channel in ("red", "green", "blue"))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise DataError(f"{where}: needs name, red, green and blue, each colour from 0 to 255; got {row}") from None
        if not 0 <= min(red, green, blue) <= max(red, green, blue) <= 255:
            raise DataError(f"{where}: colours are from 0 to 255; got {(red, green, blue)}")
        if (red, green, blue) in colours:
            raise DataError(f"{where}: colour {(red, green, blue)} is listed before; a colour has one class")
        if name == IGNORE:
            colours[red, green, blue] = IGNORED
            continue
        if name not in names:
            names.append(name)
        colours[red, green, blue] = names.index(name)
    _check(names, file)
    return ClassList(tuple(names), colours)


def _check(names: list[str], file: Path) -> None:
    if len(set(names)) < len(names) or "" in names:
        raise DataError(f"'{file}': a name is empty, or stands there twice; give each class one of its own")
    if not 2 <= len(names) < IGNORED:
        raise DataError(f"'{file}': lists {len(names)} classes; masks need 2 to {IGNORED - 1}")
