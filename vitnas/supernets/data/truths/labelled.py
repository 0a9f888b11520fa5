"""Labels of images: any number each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vitnas.image_size import ImageSize
from vitnas.supernets.data.truths.truth import Truth
from vitnas.supernets.settings.data import Fit


@dataclass(frozen=True, eq=False)
class Labelled(Truth):
    """Which labels each image has.

    Attributes:
        has: uint8 of 0 and 1, ``(N, K)``.
    """

    answer: ClassVar[str] = "labels"
    has: NDArray[np.uint8]

    def of(self, rows: NDArray[np.int64], image_size: ImageSize, fit: Fit = "crop") -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = self.has[rows]
        return found

    def strata(self) -> NDArray[np.int64]:
        """By the rarest label that an image has; those without any are one more."""
        counts = self.has.sum(axis=0, dtype=np.int64)
        rarest = np.where(self.has > 0, counts, np.iinfo(np.int64).max).argmin(axis=1)
        return np.where(self.has.any(axis=1), rarest, self.has.shape[1])

    def renumbered(self, new: Sequence[int]) -> Self:
        return replace(self, has=self.has[:, np.argsort(new)])

    def in_memory(self, values: NDArray[np.uint8]) -> Labelled:
        return Labelled(values)
