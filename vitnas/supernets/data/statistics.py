"""Mean and standard deviation of images: measured on a sample, and known again while its files are as they were."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from vitnas.errors import DataError, DiskError
from vitnas.files import read_json, write_json
from vitnas.files.caches import cache_folder
from vitnas.supernets.data.images import Images

SAMPLE = 2048
"""So many training images are measured for normalisation."""

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def measured(images: Images, where: str) -> Statistics:
    """Mean and standard deviation of each channel in 0..1, over a sample of the images."""
    few = images.sample(SAMPLE)
    stamp = few.stamp()
    file = (
        None if stamp is None else cache_folder() / "statistics" / f"{hashlib.sha256(stamp.encode()).hexdigest()}.json"
    )
    if file is not None and (known := _read(file, images.channels)) is not None:
        return known
    mean, std = found = _measure(few)
    if min(std) < 1e-6:
        raise DataError(f"{where}: a channel whose pixels are all equal; check how the images are read")
    if file is not None and not few.damaged:  # damage is to be met again
        with suppress(DiskError):  # what is not kept is measured again
            write_json(file, {"mean": mean, "std": std})
    return found


def _measure(few: Images) -> Statistics:
    """Sums of whole numbers, so that neither the order of the images nor the machine matters."""
    total, squares, count = np.zeros(few.channels, np.int64), np.zeros(few.channels, np.int64), 0
    for start in range(0, len(few), 64):
        x = few.pixels(np.arange(start, min(start + 64, len(few))))[0].numpy()
        total += x.sum(axis=(0, 2, 3), dtype=np.int64)
        squares += np.multiply(x, x, dtype=np.uint16).sum(axis=(0, 2, 3), dtype=np.int64)
        count += x.shape[0] * x.shape[2] * x.shape[3]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())


def _read(file: Path, channels: int) -> Statistics | None:
    """What is known; a file that is missing or damaged says nothing."""
    try:
        data = read_json(file)
        mean, std = (tuple(map(float, data[name])) for name in ("mean", "std"))
    except (DataError, LookupError, TypeError, ValueError):
        return None
    return (mean, std) if len(mean) == len(std) == channels else None
