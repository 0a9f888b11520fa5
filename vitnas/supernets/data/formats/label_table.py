"""A CSV file of labels beside images: a line an image, any number of labels each."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitnas.errors import DataError, suggest
from vitnas.supernets.data.formats.folders import place_of
from vitnas.supernets.data.formats.format import TRAIN, Format, judges
from vitnas.supernets.data.formats.image_folder import PathFiles
from vitnas.supernets.data.pictures import Pictures
from vitnas.supernets.data.splits import Splits
from vitnas.supernets.data.truths.labelled import Labelled
from vitnas.supernets.settings.data import DataSettings

TABLE = "labels.csv"
IMAGE, LABELS, SPLIT = "image", "labels", "split"
BETWEEN = "|"
"""Stands between the labels of an image."""


@dataclass(frozen=True)
class TableLine:
    """One image: its file, its labels, the split it is in, and where the table says so."""

    image: str
    labels: frozenset[str]
    split: str
    number: int


class LabelTable(Format):
    """FOLDER/labels.csv, or any .csv: a column ``image`` of paths beside it, and what each image has.

    That is a column ``labels`` such as ``cat|dog``, or a column of 0 and 1 for each label; perhaps there is a column
    ``split`` of train, val and test.
    """

    answers = ("labels",)

    def recognises(self, place: str) -> bool:
        path = Path(place)
        return path.suffix == ".csv" or (path / TABLE).is_file()

    def open(self, place: str, settings: DataSettings) -> Splits:
        path = Path(place)
        table = path / TABLE if path.is_dir() else path
        lines, names = _read(table)
        _check(lines, names, table)
        val, test = judges(settings)
        splits = {line.split for line in lines}
        if "" in splits and len(splits) > 1:
            lost = next(line for line in lines if not line.split)
            raise DataError(
                f"'{table}', line {lost.number}: no split, though others have one; write train, val or test"
            )
        if unknown := splits - {"", *TRAIN, *val, *test, "val", "test"}:
            raise DataError(f"'{table}': no split is called '{min(unknown)}'; write train, val or test")

        def part(called: Sequence[str]) -> Pictures | None:
            own = [line for line in lines if line.split in called]
            return _pictures(table, own, names, settings) if own else None

        train = part(("", *TRAIN))
        if train is None:
            raise DataError(f"'{table}': no line has the split train; images to learn from are needed")
        return Splits(train, part(val), names, test=part(test))


def _read(table: Path) -> tuple[list[TableLine], tuple[str, ...]]:
    """The lines, and the labels in the order of their columns, or of their names where they stand in one."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{table}' cannot be read as a table of labels: {error}; write it as CSV in UTF-8") from None
    columns = list(rows[0]) if rows else []
    if IMAGE not in columns or len(columns) < 2:
        raise DataError(
            f"'{table}': needs a line of names with '{IMAGE}' and '{LABELS}', or '{IMAGE}' and a column for each label; "
            f"got {columns}"
        )
    together = LABELS in columns
    own = tuple(name for name in columns if name not in (IMAGE, SPLIT, LABELS))
    if together and own:
        raise DataError(f"'{table}': has '{LABELS}' and the columns {list(own)[:3]}; give labels in one way")
    lines = []
    for number, row in enumerate(rows, 2):
        where = f"'{table}', line {number}"
        if None in row or None in row.values():
            raise DataError(f"{where}: has not as many cells as the first line; check its commas and quotes")
        labels = _together(row[LABELS], where) if together else _one_by_one(row, own, where)
        lines.append(TableLine(row[IMAGE].strip(), labels, (row.get(SPLIT) or "").strip(), number))
    return lines, tuple(sorted({label for line in lines for label in line.labels})) if together else own


def _together(cell: str, where: str) -> frozenset[str]:
    labels = [label.strip() for label in cell.split(BETWEEN)] if cell.strip() else []
    if "" in labels or len(set(labels)) < len(labels):
        raise DataError(
            f"{where}: labels '{cell}' name one twice, or an empty one; write each once, with {BETWEEN} between"
        )
    return frozenset(labels)


def _one_by_one(row: Mapping[str, str], names: Sequence[str], where: str) -> frozenset[str]:
    for name in names:
        if row[name].strip() not in ("0", "1"):
            raise DataError(
                f"{where}, column '{name}': '{row[name]}' is neither 0 nor 1; whether an image has a label must be known"
            )
    return frozenset(name for name in names if row[name].strip() == "1")


def _check(lines: Sequence[TableLine], names: Sequence[str], table: Path) -> None:
    """Refuses images twice and labels that nothing has; an image without labels is one without any."""
    first: dict[str, int] = {}
    for line in lines:
        before = first.setdefault(os.path.normpath(line.image), line.number)
        if before != line.number:
            raise DataError(
                f"'{table}': lines {before} and {line.number} are of one image, '{line.image}'; keep one of them"
            )
    if not names:
        raise DataError(f"'{table}': no image has any label, so there is nothing to learn; fill the column '{LABELS}'")
    had = {label for line in lines for label in line.labels}
    if lacking := [name for name in names if name not in had]:
        raise DataError(f"'{table}': no image has label '{lacking[0]}', so it cannot be learnt; remove its column")


def _pictures(table: Path, lines: Sequence[TableLine], names: Sequence[str], settings: DataSettings) -> Pictures:
    root, places = table.parent, []
    for line in lines:
        try:
            places.append(place_of(os.stat(root / line.image)))
        except OSError:
            near = suggest(Path(line.image).name, _siblings(root / line.image))
            raise DataError(
                f"'{table}', line {line.number}: image '{line.image}' is not there, seen from the table; {near}"
            ) from None
    has = np.array([[name in line.labels for name in names] for line in lines], np.uint8)
    truth = Labelled(has)
    files = PathFiles(root, [line.image for line in lines], places)
    return Pictures.of(files, truth.strata(), str(table), settings.max_damaged, truth)


def _siblings(path: Path) -> list[str]:
    try:
        return sorted(os.listdir(path.parent))[:1000]
    except OSError:
        return []
