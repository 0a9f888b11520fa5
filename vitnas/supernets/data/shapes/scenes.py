"""What is where in a drawn image: one figure with a pattern on a ground, before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OUTLINES = ("disc", "square", "triangle", "cross", "ring")
PATTERNS = ("striped", "chequered")
CLASSES = tuple(f"{pattern} {outline}" for outline in OUTLINES for pattern in PATTERNS)

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scenes:
    """Many scenes, one entry of each array for each. Lengths and places are in sides of the image, from its upper left.

    Attributes:
        outline: of the figure, an index of `OUTLINES`.
        pattern: on the figure, an index of `PATTERNS`.
        centre: of the figure, (x, y).
        radius: of the figure; no outline reaches further than 1.25 of it.
        turn: of the figure and its pattern, in radians, clockwise.
        period: of the pattern.
        phase: where the pattern begins, (x, y), in periods.
        ground: colour behind the figure, (red, green, blue) in 0..1.
        paint: colour of the figure.
        ink: colour of its pattern.
        grain: seed of the noise on the picture.
    """

    outline: NDArray[np.int64]
    pattern: NDArray[np.int64]
    centre: Numbers
    radius: Numbers
    turn: Numbers
    period: Numbers
    phase: Numbers
    ground: Numbers
    paint: Numbers
    ink: Numbers
    grain: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.outline)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class of each, an index of `CLASSES`."""
        return self.outline * len(PATTERNS) + self.pattern

    def only(self, rows: NDArray[np.integer]) -> Scenes:
        """Some of these scenes."""
        return Scenes(**{name: values[rows] for name, values in vars(self).items()})


def draw(n: int, seed: int) -> Scenes:
    """`n` scenes, the classes in turn; a scene follows from the seed and its number alone, so more begin with the same."""
    chance = np.random.default_rng(seed).random((n, 18))
    labels = np.arange(n) % len(CLASSES)

    def between(low: float, high: float, columns: slice | int) -> Numbers:
        return low + (high - low) * chance[:, columns]

    def colour(low: float, high: float, column: int) -> Numbers:
        """A shade, and up to 0.1 of a tint on each channel."""
        return between(low, high, column)[:, None] + between(-0.1, 0.1, slice(column + 1, column + 4))

    return Scenes(
        outline=labels // len(PATTERNS),
        pattern=labels % len(PATTERNS),
        centre=between(0.34, 0.66, slice(0, 2)),
        radius=between(0.18, 0.38, 2),
        turn=between(-1, 1, 3),
        period=between(0.14, 0.2, 4),
        phase=chance[:, 5:7],
        ground=colour(0.1, 0.3, 7),
        paint=colour(0.7, 0.9, 11),
        ink=np.repeat(between(0.45, 0.6, 15)[:, None], 3, axis=1),
        grain=(chance[:, 17] * 2**32).astype(np.int64),
    )
