"""Masks in arrays: the class of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from vitnas.image_size import ImageSize
from vitnas.supernets.data.geometry import framed, placed
from vitnas.supernets.data.truths.truth import IGNORED, Truth
from vitnas.supernets.settings.data import Fit


def nearest(masks: NDArray[np.uint8], size: ImageSize, fit: Fit = "crop") -> NDArray[np.uint8]:
    """Masks ``(N, rows, columns)`` at another size, each pixel that whose middle is nearest; what images do not fill is ignored."""
    part = placed(fit, (masks.shape[1], masks.shape[2]), size)
    rows, columns = (
        (start + (np.arange(number) + 0.5) * extent / number).astype(np.int64)
        for start, extent, number in zip(part.start, part.extent, part.size, strict=True)
    )
    inner: NDArray[np.uint8] = masks[:, rows[:, None], columns]
    return framed(torch.from_numpy(inner), size, IGNORED).numpy()


@dataclass(frozen=True, eq=False)
class ArrayMasks(Truth):
    """Masks of one size, as they lie in an array.

    Attributes:
        classes: uint8 ``(N, H, W)``, `IGNORED` where a pixel counts nothing.
    """

    answer: ClassVar[str] = "mask"
    classes: NDArray[np.uint8]

    def of(self, rows: NDArray[np.int64], image_size: ImageSize, fit: Fit = "crop") -> NDArray[np.uint8]:
        part = placed(fit, (self.classes.shape[1], self.classes.shape[2]), image_size)
        (top, left), (height, width) = map(int, part.start), map(round, part.extent)  # as images in arrays are cut
        return nearest(self.classes[rows, top : top + height, left : left + width], image_size, fit)

    def strata(self) -> NDArray[np.int64]:
        """Masks are of one kind."""
        return np.zeros(len(self.classes), np.int64)

    def renumbered(self, new: Sequence[int]) -> Self:
        table = np.full(256, IGNORED, np.uint8)
        table[: len(new)] = new
        return replace(self, classes=table[self.classes])

    def in_memory(self, values: NDArray[np.uint8]) -> ArrayMasks:
        return ArrayMasks(values)
