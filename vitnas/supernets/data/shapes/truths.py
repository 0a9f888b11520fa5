"""What is known of drawn images: the class of the figure, labels of it, and the class of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError
from vitnas.image_size import ImageSize, height_and_width
from vitnas.search_spaces.answers import CLASS
from vitnas.supernets.data.shapes.rendering import covered
from vitnas.supernets.data.shapes.scenes import CLASSES, OUTLINES, PATTERNS, Scenes
from vitnas.supernets.data.truths import Truth
from vitnas.supernets.data.truths.labelled import Labelled
from vitnas.supernets.data.truths.masks import ArrayMasks, nearest
from vitnas.supernets.settings.data import Fit

LARGE = 0.28
"""The radius from which on a figure is called large."""

NAMES = {CLASS: tuple(CLASSES), "labels": (*OUTLINES, *PATTERNS, "large"), "mask": ("ground", *OUTLINES)}
"""Answer -> the names of its classes."""


def truth_of(scenes: Scenes, answer: str) -> Truth:
    """What is known of these scenes besides their class."""
    return DrawnMasks(scenes) if answer == "mask" else Labelled(_labels(scenes))


def _labels(scenes: Scenes) -> NDArray[np.uint8]:
    columns = [scenes.outline == number for number in range(len(OUTLINES))]
    columns += [scenes.pattern == number for number in range(len(PATTERNS))]
    return np.stack([*columns, scenes.radius >= LARGE], axis=1).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class DrawnMasks(Truth):
    """Where the figure covers at least half of a pixel, that pixel is of its outline; all others are ground."""

    answer: ClassVar[str] = "mask"
    scenes: Scenes

    def of(self, rows: NDArray[np.int64], image_size: ImageSize, fit: Fit = "crop") -> NDArray[np.uint8]:
        scenes = self.scenes.only(rows)
        figure = covered(scenes, max(height_and_width(image_size))) >= 0.5
        return nearest(np.where(figure, (1 + scenes.outline)[:, None, None], 0).astype(np.uint8), image_size, fit)

    def strata(self) -> NDArray[np.int64]:
        return self.scenes.labels

    def renumbered(self, new: Sequence[int]) -> Self:
        if list(new) != list(range(len(new))):
            raise DataError("the classes of 'shapes' stand in their own order; give other masks classes in that order")
        return self

    def in_memory(self, values: NDArray[np.uint8]) -> ArrayMasks:
        return ArrayMasks(values)
