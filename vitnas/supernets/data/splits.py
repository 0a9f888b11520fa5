"""Which images are learnt from and which judge: what a kind of data finds, and how the rest is divided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError
from vitnas.supernets.data.images import Images

SAMPLE = 2048
"""So many training images are measured for normalisation."""


@dataclass(frozen=True, eq=False)
class Splits:
    """What a kind of data finds at a place.

    Attributes:
        train: images to learn from, or all there are.
        val: images kept for validation; None where the data set does not say.
        classes: names of the classes; labels count from 0.
    """

    train: Images
    val: Images | None
    classes: tuple[str, ...]


def held_back(labels: NDArray[np.integer], share: float, seed: int) -> NDArray[np.bool_]:
    """A share of each class, the same every time; a class of two images or more has some on either side."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        wanted = round(share * len(members))
        chosen[members[: min(max(wanted, 1), len(members) - 1)]] = True
    return chosen


def measured(images: Images, where: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel in 0..1, over images spread evenly over all of them."""
    sample = np.unique(np.linspace(0, len(images) - 1, min(SAMPLE, len(images))).astype(np.int64))
    total, squares, count = np.zeros(images.channels), np.zeros(images.channels), 0
    for start in range(0, len(sample), 64):
        x = images.pixels(sample[start : start + 64])[0].numpy().astype(np.float64) / 255
        total += x.sum(axis=(0, 2, 3))
        squares += (x**2).sum(axis=(0, 2, 3))
        count += x.shape[0] * x.shape[2] * x.shape[3]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    if (std < 1e-6).any():
        raise DataError(f"{where}: a channel whose pixels are all equal; check how the images are read")
    return tuple(mean.tolist()), tuple(std.tolist())
