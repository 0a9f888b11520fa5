"""Images as they were decoded and resized, kept on disk for those who ask for it."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DiskError, SettingsError
from vitnas.files.caches import cache_folder
from vitnas.files.records import SealedRecords


class Resized:
    """Pixels by the number of their image. They count while their file is as it was when they were decoded.

    Args:
        source: what they are of and how they are decoded; other sources have files of their own.
        shape: of an image.
        number: of images there are.
        where: they come from, for errors.
    """

    def __init__(self, source: str, shape: tuple[int, int, int], number: int, where: str) -> None:
        name = hashlib.sha256(repr((source, shape)).encode()).hexdigest()
        self._records = SealedRecords(cache_folder() / "resized" / f"{name}.pixels", int(np.prod(shape)))
        self._full = False
        _check_room(self._records.path, self._records.bytes_of(number), where)

    def read(self, row: int, stamp: str, into: NDArray[np.uint8]) -> bool:
        """Whether the pixels are known; if not, `into` may hold anything."""
        return self._records.read(row, stamp, into.data.cast("B"))

    def write(self, row: int, stamp: str, pixels: NDArray[np.uint8]) -> None:
        """Keeps pixels; where the disk allows no more, that is said once and nothing else is kept."""
        if self._full:
            return
        try:
            self._records.write(row, stamp, pixels.data.cast("B"))
        except DiskError as error:
            self._full = True
            warnings.warn(f"[data] cache keeps no more images, they are decoded as without it: {error}", stacklevel=2)


def _check_room(path: Path, size: int, where: str) -> None:
    """Refuses before anything is decoded what cannot be kept whole."""
    there = path.stat().st_blocks * 512 if path.is_file() else 0
    folder = next(parent for parent in path.parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if size - there > free:
        raise SettingsError(
            f"[data] cache = 'resized' keeps {size / 1e9:.1f} GB of {where} in '{path.parent}', where {free / 1e9:.1f} GB are "
            f"free; make room, name a folder on another disk with VITNAS_CACHE, or leave out cache"
        )
