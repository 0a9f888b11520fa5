"""Masks in files: the number or the colour of every pixel is its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitnas.errors import DataError
from vitnas.image_size import ImageSize, height_and_width
from vitnas.supernets.data.formats.class_list import COLOURS, NAMES, Colour
from vitnas.supernets.data.truths import IGNORED, Truth
from vitnas.supernets.data.truths.masks import ArrayMasks, nearest
from vitnas.supernets.settings.data import Fit

TURNED = (5, 6, 7, 8)
"""Orientations in which a camera lay on its side."""
EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False)
class MaskFiles(Truth):
    """A mask beside each image.

    Attributes:
        images: their files.
        masks: of each image, as large as it.
        num_classes: that numbers in masks may name.
        ignore: the number of pixels that count nothing.
        colours: the class of each colour, where masks are painted.
        order: the number of each class of the files.
    """

    answer: ClassVar[str] = "mask"
    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    num_classes: int
    ignore: int
    colours: dict[Colour, int]
    order: tuple[int, ...] = ()

    def of(self, rows: NDArray[np.int64], image_size: ImageSize, fit: Fit = "crop") -> NDArray[np.uint8]:
        found = np.empty((len(rows), *height_and_width(image_size)), np.uint8)
        for k, row in enumerate(rows.tolist()):
            found[k] = nearest(self._classes(row)[None], image_size, fit)[0]
        return found if not self.order else self._numbered(found)

    def strata(self) -> NDArray[np.int64]:
        return np.zeros(len(self.masks), np.int64)

    def renumbered(self, new: Sequence[int]) -> Self:
        before = self.order or tuple(range(self.num_classes))
        return replace(self, order=tuple(new[i] for i in before))

    def in_memory(self, values: NDArray[np.uint8]) -> ArrayMasks:
        return ArrayMasks(values)

    def look(self, row: int) -> None:
        """Refuses a mask that does not fit its image or the list of classes."""
        self._classes(row)

    def _numbered(self, found: NDArray[np.uint8]) -> NDArray[np.uint8]:
        table = np.full(256, IGNORED, np.uint8)
        table[: len(self.order)] = self.order
        numbered: NDArray[np.uint8] = table[found]
        return numbered

    def _classes(self, row: int) -> NDArray[np.uint8]:
        """The class of every pixel of a mask."""
        mask, image = self.masks[row], self.images[row]
        try:
            with Image.open(mask) as opened:
                size = opened.size
                x = _numbers(opened, painted=bool(self.colours))
        except Exception as error:  # decoders raise whatever they like
            raise DataError(
                f"mask '{mask}' cannot be read: {error}; write it anew as PNG, or remove it and its image"
            ) from None
        wanted = _upright_size(image)
        if wanted is not None and size != wanted:
            raise DataError(
                f"mask '{mask}' has {size[0]}x{size[1]} pixels and its image '{image.name}' {wanted[0]}x{wanted[1]}; a mask is as "
                "large as its image, upright: scale it with nearest neighbours"
            )
        return self._of_colours(x, mask) if self.colours else self._of_numbers(x, mask)

    def _of_numbers(self, x: NDArray[Any], mask: Path) -> NDArray[np.uint8]:
        if x.ndim != 2:
            raise DataError(
                f"mask '{mask}' is painted in colours, and '{NAMES}' tells none; list them in '{COLOURS}', or write class numbers"
            )
        ignored = x == self.ignore
        odd = (x >= self.num_classes) & ~ignored
        if odd.any():
            raise DataError(
                f"mask '{mask}' has {int(odd.sum())} pixels of class {int(x[odd][0])}, but {self.num_classes} classes are listed, "
                f"from 0 on, and {self.ignore} is ignored; list the class, or give [data] ignore_index"
            )
        return np.where(ignored, IGNORED, x).astype(np.uint8)

    def _of_colours(self, x: NDArray[Any], mask: Path) -> NDArray[np.uint8]:
        codes = (x[..., 0].astype(np.int32) << 16) | (x[..., 1].astype(np.int32) << 8) | x[..., 2]
        known = sorted((red << 16 | green << 8 | blue, number) for (red, green, blue), number in self.colours.items())
        listed = np.array([code for code, _ in known])
        place = np.searchsorted(listed, codes).clip(max=len(listed) - 1)
        odd = listed[place] != codes
        if odd.any():
            red, green, blue = (int(value) for value in x[odd][0])
            raise DataError(
                f"mask '{mask}' has {int(odd.sum())} pixels of colour ({red}, {green}, {blue}), which '{COLOURS}' does not list; "
                "list it with the class it is of, or as ignore"
            )
        found: NDArray[np.uint8] = np.array([number for _, number in known], np.uint8)[place]
        return found


def _numbers(image: Image.Image, painted: bool) -> NDArray[Any]:
    """Pixels as numbers (H, W), or as colours (H, W, 3)."""
    if painted:
        return np.asarray(image.convert("RGB"))
    if image.mode in ("P", "L", "1") or image.mode.startswith("I"):
        return np.asarray(image if image.mode != "1" else image.convert("L")) // (255 if image.mode == "1" else 1)
    return np.asarray(image.convert("RGB"))


def _upright_size(image: Path) -> tuple[int, int] | None:
    """Of an image, from its first bytes; None where it cannot be read, which is found out with its pixels."""
    try:
        with Image.open(image) as opened:
            turned = opened.getexif().get(EXIF_ORIENTATION) in TURNED
            width, height = opened.size
    except Exception:  # decoders raise whatever they like
        return None
    return (height, width) if turned else (width, height)
