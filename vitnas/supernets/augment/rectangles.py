"""Rectangles inside images, one an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.supernets.augment.draws import Draws


@dataclass(frozen=True)
class Rectangles:
    """Where they lie, in shares of the sides of the image."""

    top: NDArray[np.float64]
    left: NDArray[np.float64]
    height: NDArray[np.float64]
    width: NDArray[np.float64]

    @classmethod
    def draw(cls, draws: Draws, purpose: str, area: tuple[float, float], ratio: tuple[float, float]) -> Rectangles:
        """Uniform in area, and in the logarithm of height to width.

        Every draw fits, so none is repeated: the ratio is drawn from those at which the rectangle lies inside.

        Args:
            draws: of the images.
            purpose: what they are for; another purpose gives other rectangles.
            area: least and most share of the image.
            ratio: least and most height to width, both in shares of the sides.
        """
        shares = area[0] + (area[1] - area[0]) * draws[f"{purpose} area"]
        least, most = np.log(np.maximum(ratio[0], shares)), np.log(np.minimum(ratio[1], 1 / shares))
        ratios = np.exp(least + (most - least) * draws[f"{purpose} ratio"])
        height, width = np.minimum(np.sqrt(shares * ratios), 1), np.minimum(np.sqrt(shares / ratios), 1)
        return cls(draws[f"{purpose} top"] * (1 - height), draws[f"{purpose} left"] * (1 - width), height, width)
