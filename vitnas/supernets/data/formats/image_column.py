"""A column of a table that holds encoded images, or names the files that do."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute

from vitnas.errors import DataError
from vitnas.supernets.data.formats.folders import place_of, read_limited, stamp_of
from vitnas.supernets.data.pictures import Files


class ImageColumn(Files):
    """A column of encoded images: bytes, or a structure of bytes and the path of a file inside the folder."""

    travel = False  # these images cannot be read by another process

    def __init__(self, column: Any, folder: Path, place: Hashable, stamp: str) -> None:
        if pa.types.is_struct(column.type):
            self._bytes, paths = (pa.chunked_array([c.field(n) for c in column.chunks]) for n in ("bytes", "path"))
            self._paths: Any = paths
            self._check_paths(folder)
        else:
            self._bytes, self._paths = column, None
        self._folder, self._place, self._stamp = folder, place, stamp

    def read(self, row: int) -> bytes:
        data = self._bytes[row].as_py()
        if data is None and self._path(row):
            with open(_inside(self._folder, self._path(row)), "rb") as file:
                return read_limited(file)
        return bytes(data or b"")

    def name(self, row: int) -> str:
        return self._path(row) or f"row {row}"

    def place(self, row: int) -> Hashable:
        if self._paths is None or self._bytes[row].is_valid:
            return self._place, row
        try:
            return place_of(os.stat(_inside(self._folder, self._path(row))))
        except OSError:
            return None

    def stamp(self, row: int) -> str | None:
        if self._paths is None or self._bytes[row].is_valid:
            return f"{self._stamp} {row}"
        try:
            return stamp_of(os.stat(_inside(self._folder, self._path(row))))
        except OSError:
            return None

    def _path(self, row: int) -> str:
        return "" if self._paths is None else str(self._paths[row].as_py() or "")

    def _check_paths(self, folder: Path) -> None:
        """A table that came from elsewhere names no file outside its own folder."""
        root = _inside(folder, "")
        for path in self._paths.filter(pa.compute.is_null(self._bytes)).drop_null().to_pylist():
            file = _inside(folder, path)
            outside = not file.startswith(os.path.join(root, ""))
            if outside or "\0" in path or (os.path.exists(file) and not os.path.isfile(file)):
                raise DataError(
                    f"'{folder}' names the image '{path[:200]}', which is no file inside its folder; put the images there "
                    f"and name them relative to it, or into the table as bytes"
                )


def _inside(folder: Path, path: str) -> str:
    """The file of a path without `..`, which behind a link would lead elsewhere."""
    return os.path.normpath(os.path.join(os.path.abspath(folder), path))


def may_hold_images(kind: Any) -> bool:
    """Whether these are bytes, or bytes with a path."""
    if pa.types.is_struct(kind):
        fields = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
        words = pa.types.is_string, pa.types.is_large_string
        return (
            {"bytes", "path"} == fields.keys()
            and _is_binary(fields["bytes"])
            and any(is_(fields["path"]) for is_ in words)
        )
    return _is_binary(kind)


def _is_binary(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))
