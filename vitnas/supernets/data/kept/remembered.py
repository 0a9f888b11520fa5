"""Images as they were decoded, kept in memory where all of a data set fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 1 << 29
"""Data sets that take more are decoded each time: 43,000 images of 64 pixels in colours fit, or 3,500 of 224."""


class Remembered:
    """Pixels by the number of their image. Memory is taken as they come; many threads may read and write.

    Args:
        number: of images there are.
        shape: of an image.
    """

    def __init__(self, number: int, shape: tuple[int, int, int]) -> None:
        self._pixels = np.empty((number, *shape), np.uint8)
        self._known = np.zeros(number, np.bool_)

    @staticmethod
    def fits(number: int, shape: tuple[int, int, int]) -> bool:
        """Whether so many images are few enough."""
        return number * int(np.prod(shape)) <= MOST_BYTES

    def __reduce__(self) -> tuple[type[Remembered], tuple[int, tuple[int, ...]]]:
        number, *shape = self._pixels.shape
        return type(self), (number, tuple(shape))  # a copy elsewhere begins with nothing

    def read(self, row: int, into: NDArray[np.uint8]) -> bool:
        """Whether the pixels are known; if not, `into` is left alone."""
        if not self._known[row]:
            return False
        into[:] = self._pixels[row]
        return True

    def write(self, row: int, pixels: NDArray[np.uint8]) -> None:
        """Keeps pixels."""
        self._pixels[row] = pixels
        self._known[row] = True
