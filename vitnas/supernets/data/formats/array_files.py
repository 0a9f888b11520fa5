"""Reading .npy and .npz: no size that a header claims is believed before the file bears it out."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError
from vitnas.supernets.data.formats.folders import is_junk
from vitnas.supernets.data.formats.memory import available_bytes

Array = NDArray[Any]
NPY: Any = np.lib.format
"""Of numpy, without types."""
DEFLATE_AT_BEST = 1032
"""Bytes that one byte of a deflated file can become."""


def map_npy(path: Path) -> Array:
    """An .npy file, mapped and not read."""
    try:
        with path.open("rb") as file:
            _check_header(file, path.stat().st_size)
        found: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"'{path}' does not exist; check the path") from None
    except Exception as error:  # numpy raises whatever it meets
        raise _unreadable(path, error) from None
    return found


class Npz(Mapping[str, Array]):
    """The arrays of an .npz file, each read when it is asked for, as far as memory allows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
            found = {info.filename: info for info in self._zip.infolist()}
        except FileNotFoundError:
            raise DataError(f"'{path}' does not exist; check the path") from None
        except Exception as error:
            raise _unreadable(path, error) from None
        self._members = {
            name.removesuffix(".npy"): info
            for name, info in found.items()
            if not any(is_junk(part) for part in name.split("/"))
        }

    def __getitem__(self, name: str) -> Array:
        info = self._members[name]
        try:
            with self._zip.open(info) as file:
                needed = _check_header(file, info.file_size)
            if info.compress_type == zipfile.ZIP_STORED:
                most: float = info.compress_size
            else:
                most = info.compress_size * DEFLATE_AT_BEST if info.compress_type == zipfile.ZIP_DEFLATED else math.inf
            if info.file_size > most or info.compress_size > self._path.stat().st_size:
                raise ValueError(f"array '{name}' claims {info.file_size} bytes, and {info.compress_size} are packed")
            if needed > (free := available_bytes()):
                raise DataError(
                    f"'{self._path}': array '{name}' needs {needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} are "
                    f"free; save it as images.npy and labels.npy in a folder, which are mapped and not read"
                )
            with self._zip.open(info) as file:
                found: Array = NPY.read_array(file, allow_pickle=False)
        except DataError:
            raise
        except Exception as error:
            raise _unreadable(self._path, error) from None
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def close(self) -> None:
        self._zip.close()


def _check_header(file: IO[bytes], size: int) -> int:
    """How many bytes an array has, if a file of so many bytes can hold it."""
    version = NPY.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of numpy's format, which holds no images")
    read = NPY.read_array_header_1_0 if version == (1, 0) else NPY.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded without unpickling, which vitnas never does")
    needed = int(math.prod(shape) * dtype.itemsize)
    if min(shape, default=1) < 0 or needed > size - file.tell():
        raise ValueError(f"an array of shape {shape} needs {needed} bytes, and the file has {size - file.tell()}")
    return needed


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"'{path}' cannot be read as arrays: {error}; write it anew with numpy.savez or numpy.save, without objects"
    )
