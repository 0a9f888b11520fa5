"""Drawn figures, five outlines in two patterns: as many as one likes, of any size, the same on every machine.

Networks must tell small patterns and whole outlines, so their width and depth show in how many they name right.
A change of what `draw` or `render` give is another data set.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.errors import UnknownNameError, suggest
from vitnas.image_size import height_and_width
from vitnas.search_spaces.answers import CLASS
from vitnas.supernets.data.geometry import fitted
from vitnas.supernets.data.images import Images, with_channels
from vitnas.supernets.data.shapes.rendering import render
from vitnas.supernets.data.shapes.scenes import Scenes, draw
from vitnas.supernets.data.shapes.truths import NAMES, truth_of
from vitnas.supernets.data.splits import Splits

SIZE = 32
"""Of the pictures, where no `image_size` is asked for."""

MOST_KEPT = 2**28
"""Bytes of the pictures of one size that a drawing keeps; where they would be more, they are painted whenever asked for."""


def shapes(train: int = 6000, val: int = 2000, test: int = 4000, answer: str = CLASS) -> Splits:
    """So many drawings to learn from, to judge and to testify; more begin with the same, and all answers are of the same pictures."""
    if answer not in NAMES:
        raise UnknownNameError(f"'shapes' tells nothing of '{answer}'; {suggest(answer, NAMES)}")
    parts = [Drawings.of(n, seed, answer) for seed, n in enumerate((train, val, test))]
    return Splits(parts[0], parts[1], NAMES[answer], test=parts[2])


@dataclass(eq=False)
class Painted:
    """The pictures of scenes at one size, as far as they were asked for. Many threads may ask at once."""

    x: NDArray[np.uint8]
    done: NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawings(Images):
    """Images that are painted when first asked for, square, at the longer side that is asked for.

    Attributes:
        scenes: what they show.
        seed: that the scenes were drawn from.
        painted: those that were painted, by their size.
    """

    scenes: Scenes
    seed: int
    painted: dict[int, Painted] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, n: int, seed: int, answer: str = CLASS) -> Drawings:
        """`n` drawings of size 32, normalised to 0..1."""
        scenes = draw(n, seed)
        return cls(
            labels=scenes.labels,
            rows=np.arange(n),
            image_size=SIZE,
            channels=3,
            mean=(0.0,) * 3,
            std=(1.0,) * 3,
            scenes=scenes,
            seed=seed,
            truth=None if answer == CLASS else truth_of(scenes, answer),
        )

    def places(self) -> dict[Hashable, str]:
        return {("shapes", self.seed): f"shapes drawn from seed {self.seed}"}

    def pixels(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        rows = self.rows[indices]
        pixels = fitted(torch.from_numpy(self._pictures(rows)), self.fit, self.image_size)
        if self.channels != pixels.shape[1]:
            pixels = with_channels(pixels, self.channels)
        return pixels, self.truths(rows)

    def _pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        size = max(height_and_width(self.image_size))
        shape = (len(self.scenes), 3, size, size)
        if int(np.prod(shape)) > MOST_KEPT:
            return render(self.scenes.only(rows), size)
        painted = self.painted.setdefault(
            size, Painted(np.empty(shape, np.uint8), np.zeros(len(self.scenes), np.bool_))
        )
        if len(missing := np.unique(rows[~painted.done[rows]])):
            painted.x[missing] = render(self.scenes.only(missing), size)
            painted.done[missing] = True
        return painted.x[rows]
