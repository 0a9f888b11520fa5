"""Masks in arrays: the class of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vitnas.supernets.data.truths.truth import IGNORED, Truth


def nearest(masks: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The square in the middle of masks ``(N, H, W)`` at another size, each pixel that whose middle is nearest."""
    side = min(masks.shape[1:])
    rows, columns = ((length - side) / 2 + (np.arange(size) + 0.5) * side / size for length in masks.shape[1:])
    found: NDArray[np.uint8] = masks[:, rows.astype(np.int64)[:, None], columns.astype(np.int64)]
    return found


@dataclass(frozen=True, eq=False)
class ArrayMasks(Truth):
    """Masks of one size, as they lie in an array.

    Attributes:
        classes: uint8 ``(N, H, W)``, `IGNORED` where a pixel counts nothing.
    """

    answer: ClassVar[str] = "mask"
    classes: NDArray[np.uint8]

    def of(self, rows: NDArray[np.int64], image_size: int) -> NDArray[np.uint8]:
        height, width = self.classes.shape[1:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2  # as images in arrays are cut
        return nearest(self.classes[rows, top : top + side, left : left + side], image_size)

    def strata(self) -> NDArray[np.int64]:
        """Masks are of one kind."""
        return np.zeros(len(self.classes), np.int64)

    def renumbered(self, new: Sequence[int]) -> Self:
        table = np.full(256, IGNORED, np.uint8)
        table[: len(new)] = new
        return replace(self, classes=table[self.classes])

    def in_memory(self, values: NDArray[np.uint8]) -> ArrayMasks:
        return ArrayMasks(values)
