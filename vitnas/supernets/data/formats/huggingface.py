"""A folder of Hugging Face `datasets`, as save_to_disk or the hub lays it out, read without that package.

save_to_disk writes one folder a split, with `state.json`, which names the files of the split in their
order, and `dataset_info.json`, which says what the columns are; above several splits stands
`dataset_dict.json`. The files are Arrow streams and are mapped, not read. The hub has parquet files whose
names begin with their split; those are packed, so they are read into memory.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vitnas.errors import DataError, suggest
from vitnas.files import read_json
from vitnas.supernets.data.formats.folders import is_junk, place_of, stamp_of
from vitnas.supernets.data.formats.format import TRAIN, Format, UnlabelledError, folder_of_split, judges, with_judges
from vitnas.supernets.data.formats.image_column import ImageColumn, may_hold_images
from vitnas.supernets.data.formats.memory import available_bytes
from vitnas.supernets.data.pictures import Pictures, number
from vitnas.supernets.data.splits import Splits
from vitnas.supernets.settings.data import DataSettings

STATE, INFO, DICT = "state.json", "dataset_info.json", "dataset_dict.json"
LARGEST_PARQUET = 8 << 30
"""More bytes of parquet than this are not read into memory."""
ROWS_AT_ONCE = 1024
LABEL_TYPES = (
    pa.types.is_integer,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_boolean,
    pa.types.is_dictionary,
)


class HuggingFace(Format):
    """What `Dataset.save_to_disk`, `DatasetDict.save_to_disk` or the hub write, with one image and one label column."""

    def recognises(self, place: str) -> bool:
        path = Path(place)
        if path.suffix == ".parquet":
            return True
        return any((path / name).is_file() for name in (STATE, DICT)) or bool(_parquets(path))

    def open(self, place: str, settings: DataSettings) -> Splits:
        path = Path(place)
        if (path / STATE).is_file():
            return _saved(path, settings)
        if (path / DICT).is_file():
            train, val, test = (folder_of_split(path, names) for names in (TRAIN, *judges(settings)))
            if train is None:
                have = read_json(path / DICT).get("splits")
                raise DataError(
                    f"'{place}' has splits {have}, and none of them is named 'train'; name one of its folders"
                )
            return with_judges(
                _saved(train, settings),
                partial(_saved, val, settings) if val is not None else None,
                partial(_saved, test, settings) if test is not None else None,
                place,
            )
        files = [path] if path.is_file() else _parquets(path)
        ours, to_validate, to_test = (_of_split(files, names) for names in (TRAIN, *judges(settings)))
        if not ours:
            return _packed(files, settings)
        return with_judges(
            _packed(ours, settings),
            partial(_packed, to_validate, settings) if to_validate else None,
            partial(_packed, to_test, settings) if to_test else None,
            place,
        )


def _saved(folder: Path, settings: DataSettings) -> Splits:
    state, info = read_json(folder / STATE), read_json(folder / INFO)
    try:
        names = [os.fspath(entry["filename"]) for entry in state["_data_files"]]
        features = dict(info.get("features") or {})
    except (KeyError, TypeError, AttributeError, ValueError):
        raise DataError(
            f"'{folder}': {STATE} lists no files, or {INFO} no features; save the data set anew with save_to_disk"
        ) from None
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise DataError(
                f"'{folder / STATE}' lists '{name[:200]}', which is no file of the folder; save the data set anew with save_to_disk"
            )
    try:
        tables = [pa.ipc.open_stream(pa.memory_map(str(folder / name))).read_all() for name in names]
        table = pa.concat_tables(tables)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"'{folder}' cannot be read: {error}; save the data set anew with save_to_disk") from None
    return _splits(table, features, folder, settings, [folder / name for name in names])


def _packed(files: list[Path], settings: DataSettings) -> Splits:
    where = f"parquet files in '{files[0].parent}'"
    limit, size = min(LARGEST_PARQUET, available_bytes()), 0
    tables = []
    try:
        for file in files:
            with pq.ParquetFile(file) as parquet:  # packed, a file says little about what it becomes
                for batch in parquet.iter_batches(ROWS_AT_ONCE, use_threads=False):
                    size += batch.nbytes
                    if size > limit:
                        raise DataError(
                            f"{where} unpack to more than the {limit / 2**30:.1f} GiB that fit into memory; turn them "
                            f"into a folder that can be mapped: datasets.load_dataset(...).save_to_disk(...)"
                        )
                    tables.append(pa.Table.from_batches([batch]))
                tables.append(parquet.schema_arrow.empty_table())
        table = pa.concat_tables(tables)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DataError(f"{where} cannot be read: {error}; write them anew") from None
    try:
        described = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        features = dict(described.get("info", {}).get("features", {}))
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise DataError(f"{where} have a description that cannot be read; write them anew") from None
    return _splits(table, features, files[0].parent, settings, files)


def _splits(table: Any, features: dict[str, Any], folder: Path, settings: DataSettings, made_of: list[Path]) -> Splits:
    if not len(table):
        raise DataError(f"'{folder}' has no rows; add images")
    kinds = {name: kind.get("_type") if isinstance(kind, dict) else None for name, kind in features.items()}
    images = [field.name for field in table.schema if kinds.get(field.name) == "Image"]
    images = images or [field.name for field in table.schema if may_hold_images(field.type)]
    labels = [name for name in table.column_names if kinds.get(name) == "ClassLabel"]
    labels = labels or [name for name in ("label", "labels", "cls") if name in table.column_names]
    if settings.label_column:
        if settings.label_column not in table.column_names:
            raise DataError(
                f"'{folder}' has no column '{settings.label_column}'; {suggest(settings.label_column, table.column_names)}"
            )
        labels = [settings.label_column]
    if len(images) != 1 or len(labels) != 1:
        raise DataError(
            f"'{folder}' needs one column of images and one of labels; found images in {images} and labels in {labels} "
            f"of {table.column_names}; name the labels with label_column"
        )
    column, label_column = table[images[0]], table[labels[0]]
    if not may_hold_images(column.type):
        raise DataError(
            f"'{folder}', column {images[0]}: images are bytes, or bytes with a path; got {str(column.type)[:200]}; save "
            f"them with save_to_disk"
        )
    try:
        column.validate(full=True)
        label_column.validate(full=True)
    except pa.ArrowException as error:
        raise DataError(f"'{folder}', columns {images[0]} and {labels[0]}: {error}; save the data set anew") from None
    y, classes = _classes(label_column, features.get(labels[0]), f"'{folder}', column {labels[0]}")
    found = [file.stat() for file in made_of]
    files = ImageColumn(column, folder, tuple(map(place_of, found)), " ".join(map(stamp_of, found)))
    return Splits(Pictures.of(files, y, f"'{folder}'", settings.max_damaged), None, classes)


def _classes(column: Any, feature: Any, where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if not any(is_(column.type) for is_ in LABEL_TYPES):
        raise DataError(
            f"{where}: labels must be whole numbers or words; got {str(column.type)[:200]}; name another column"
        )
    values = column.to_pylist()
    without = [value is None or (isinstance(value, int) and value < 0) for value in values]
    if any(without):
        kind = UnlabelledError if all(without) else DataError
        raise kind(
            f"{where}: {sum(without)} of {len(values)} images have no label; leave them out, or name another column"
        )
    names = feature.get("names") if isinstance(feature, dict) else None
    if names and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise DataError(f"{where}: names of classes must be a list of words; got {str(names)[:100]}; correct {INFO}")
    if names and all(isinstance(value, int) and value < len(names) for value in values):
        return np.array(values, np.int64), tuple(names)
    return number([str(value) for value in values])


def _parquets(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return _real(folder.glob("*.parquet")) or _real((folder / "data").glob("*.parquet"))


def _real(files: Iterable[Path]) -> list[Path]:
    return sorted(file for file in files if not is_junk(file.name))


def _of_split(files: list[Path], names: tuple[str, ...]) -> list[Path]:
    for name in names:
        if found := [file for file in files if re.match(rf"{name}([-_.]|$)", file.stem)]:
            return found
    return []
