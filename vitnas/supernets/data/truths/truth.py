"""Truth: what data say of every image there is, where that is more than one class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vitnas.image_size import ImageSize
from vitnas.supernets.settings.data import Fit

IGNORED = 255
"""The class of pixels that are not judged, whatever number or colour a data set gives them."""


class Truth(ABC):
    """Reading may happen in many threads at once."""

    answer: ClassVar[str]
    """What networks answer to be held against it, see `vitnas.search_spaces.answers`."""

    @abstractmethod
    def of(self, rows: NDArray[np.int64], image_size: ImageSize, fit: Fit = "crop") -> NDArray[np.uint8]:
        """Of these images at this size, to which they come as `fit` says: ``(N, ...)``."""

    @abstractmethod
    def strata(self) -> NDArray[np.int64]:
        """One number an image: a split has images of each number by their share."""

    @abstractmethod
    def renumbered(self, new: Sequence[int]) -> Self:
        """The same with class `new[i]` for class `i`."""

    @abstractmethod
    def in_memory(self, values: NDArray[np.uint8]) -> Truth:
        """A truth that holds what `of` gave."""

    def bytes_of(self, image_size: ImageSize) -> int:
        """Of one image, in memory."""
        return len(self.of(np.zeros(1, np.int64), image_size).tobytes())
