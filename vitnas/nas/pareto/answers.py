"""Answers: which images a network named right, so that two networks are compared image by image."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError

MOST_KEPT = 1024
"""Images whose answers are kept, 128 bytes; the share on which two networks differ is then known to a tenth of it."""

ANSWERS = "answers"
"""What a score calls them, beside its figures."""


@dataclass(frozen=True)
class Answers:
    """Right or wrong on images that lie evenly among all that a network was judged on.

    Networks that share weights err on the same images, so the difference of two accuracies is far better known than
    either of them: its variance is the share of images on which the two differ, over the number of images.

    Attributes:
        images: how many the network was judged on.
        right: one bit for each image that is kept, in order; the last byte is filled up with zeros.
    """

    images: int
    right: bytes

    @classmethod
    def of(cls, right: NDArray[np.bool_]) -> Answers:
        """From one answer for every image, in an order that is the same for all networks."""
        kept = np.linspace(0, len(right) - 1, min(len(right), MOST_KEPT)).round().astype(np.int64)
        return cls(len(right), np.packbits(right[kept]).tobytes())

    @property
    def kept(self) -> int:
        """How many images the bits are of."""
        return min(self.images, MOST_KEPT)

    def __str__(self) -> str:
        return f"{self.images}:{base64.b64encode(self.right).decode()}"

    @classmethod
    def read(cls, text: str) -> Answers:
        """From what `str` gives."""
        images, _, bits = text.partition(":")
        try:
            found = cls(int(images), base64.b64decode(bits, validate=True))
        except (ValueError, binascii.Error):
            raise SearchError(f"answers '{text[:20]}' are not a number of images and their bits") from None
        if found.images < 1 or len(found.right) != -(-found.kept // 8):
            raise SearchError(
                f"answers on {found.images} images take {-(-found.kept // 8)} bytes, and there are {len(found.right)}"
            )
        return found
