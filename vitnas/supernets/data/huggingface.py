"""A folder of Hugging Face `datasets`, as save_to_disk or the hub lays it out, read without that package.

save_to_disk writes one folder a split, with `state.json`, which names the files of the split in their
order, and `dataset_info.json`, which says what the columns are; above several splits stands
`dataset_dict.json`. The files are Arrow streams and are mapped, not read. The hub has parquet files whose
names begin with their split; those are packed, so they are read into memory.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vitnas.errors import DataError, suggest
from vitnas.files import read_json
from vitnas.supernets.data.format import TRAIN, Format, UnlabelledError, folder_of_split, judges, with_judges
from vitnas.supernets.data.pictures import Files, Pictures, number
from vitnas.supernets.data.settings import DataSettings
from vitnas.supernets.data.splits import Splits

STATE, INFO, DICT = "state.json", "dataset_info.json", "dataset_dict.json"
LARGEST_PARQUET = 8 << 30
"""More bytes of parquet than this are not read into memory."""


class ImageColumn(Files):
    """A column of encoded images: bytes, or a structure of bytes and a path."""

    def __init__(self, column: Any, folder: Path) -> None:
        if pa.types.is_struct(column.type):
            self._bytes, paths = (pa.chunked_array([c.field(n) for c in column.chunks]) for n in ("bytes", "path"))
            self._paths: Any = paths
        else:
            self._bytes, self._paths = column, None
        self._folder = folder

    def read(self, row: int) -> bytes:
        data = self._bytes[row].as_py()
        if data is None and self._path(row):
            data = (self._folder / self._path(row)).read_bytes()
        return bytes(data or b"")

    def name(self, row: int) -> str:
        return self._path(row) or f"row {row}"

    def _path(self, row: int) -> str:
        return "" if self._paths is None else str(self._paths[row].as_py() or "")


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
    names = [entry["filename"] for entry in read_json(folder / STATE).get("_data_files", [])]
    features = read_json(folder / INFO).get("features") or {}
    try:
        tables = [pa.ipc.open_stream(pa.memory_map(str(folder / name))).read_all() for name in names]
        table = pa.concat_tables(tables)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"'{folder}' cannot be read: {error}; save the data set anew with save_to_disk") from None
    return _splits(table, features, folder, settings)


def _packed(files: list[Path], settings: DataSettings) -> Splits:
    size = sum(file.stat().st_size for file in files)
    if size > LARGEST_PARQUET:
        raise DataError(
            f"parquet files in '{files[0].parent}' have {size / 2**30:.0f} GiB, more than fits into memory; turn them "
            f"into a folder that can be mapped: datasets.load_dataset(...).save_to_disk(...)"
        )
    try:
        table = pa.concat_tables([pq.read_table(file) for file in files])
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"parquet files in '{files[0].parent}' cannot be read: {error}; write them anew") from None
    described = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    return _splits(table, described.get("info", {}).get("features", {}), files[0].parent, settings)


def _splits(table: Any, features: dict[str, Any], folder: Path, settings: DataSettings) -> Splits:
    if not len(table):
        raise DataError(f"'{folder}' has no rows; add images")
    kinds = {name: kind.get("_type") if isinstance(kind, dict) else None for name, kind in features.items()}
    images = [field.name for field in table.schema if kinds.get(field.name) == "Image"]
    images = images or [field.name for field in table.schema if _may_hold_images(field.type)]
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
    y, classes = _classes(table[labels[0]], features.get(labels[0]) or {}, f"'{folder}', column {labels[0]}")
    files = ImageColumn(table[images[0]], folder)
    return Splits(Pictures.of(files, y, f"'{folder}'", settings.max_damaged), None, classes)


def _may_hold_images(kind: Any) -> bool:
    if pa.types.is_struct(kind):
        return {"bytes", "path"} == {kind.field(i).name for i in range(kind.num_fields)}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _classes(column: Any, feature: dict[str, Any], where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    values = column.to_pylist()
    without = [value is None or (isinstance(value, int) and value < 0) for value in values]
    if any(without):
        kind = UnlabelledError if all(without) else DataError
        raise kind(
            f"{where}: {sum(without)} of {len(values)} images have no label; leave them out, or name another column"
        )
    if not all(isinstance(value, int | str) for value in values):
        raise DataError(f"{where}: labels must be whole numbers or words; got {column.type}; name another column")
    names = feature.get("names")
    if names and all(isinstance(value, int) and value < len(names) for value in values):
        return np.array(values, np.int64), tuple(names)
    return number([str(value) for value in values])


def _parquets(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(folder.glob("*.parquet")) or sorted((folder / "data").glob("*.parquet"))


def _of_split(files: list[Path], names: tuple[str, ...]) -> list[Path]:
    for name in names:
        if found := [file for file in files if re.match(rf"{name}([-_.]|$)", file.stem)]:
            return found
    return []
