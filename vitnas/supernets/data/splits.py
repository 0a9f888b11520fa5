"""Which images are learnt from, which judge and which testify: what a kind of data finds, and how the rest is divided."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.supernets.data.images import Images
from vitnas.supernets.data.strata import apportioned, by_class
from vitnas.supernets.settings.data import DecoderName, Fit

TEST_SHARE, LEAST_TEST_IMAGES, MOST_TEST_IMAGES = 0.1, 100, 10_000

_STREAM = 0x7E57
"""Keeps the draw of the test apart from that of the validation images."""


@dataclass(frozen=True, eq=False)
class Splits:
    """What a kind of data finds at a place.

    Attributes:
        train: images to learn from, or all there are.
        val: images kept for validation; None where the data set does not say.
        classes: names of the classes; labels count from 0.
        test: images kept for the test; None where the data set does not say.
    """

    train: Images
    val: Images | None
    classes: tuple[str, ...]
    test: Images | None = None


@dataclass(frozen=True)
class Division:
    """How the images of a data set were divided; the same settings divide them so again.

    Attributes:
        val_share: of `DataSettings`.
        test_share: the one that was taken.
        seed: of the draws.
        val: whether validation images came from a place of their own.
        test: whether test images did.
        decoder: of `DataSettings`, for pixels differ by it.
        fit: the same.
    """

    val_share: float = 0.2
    test_share: float = 0.0
    seed: int = 0
    val: bool = False
    test: bool = False
    decoder: DecoderName = "pillow"
    fit: Fit = "crop"

    def told(self) -> dict[str, Any]:
        """For reports, which had no `fit` while images were cropped alone."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("fit", "crop")}


def usual_test_share(num_images: int) -> float:
    """A tenth, if that is enough for an interval within ten points, and no more images than one within a point needs."""
    share = min(TEST_SHARE, MOST_TEST_IMAGES / max(num_images, 1))
    return share if round(share * num_images) >= LEAST_TEST_IMAGES else 0.0


def kept_for_test(labels: NDArray[np.integer], share: float, seed: int) -> NDArray[np.bool_]:
    """A share of all images, each class by its own, but for the two that every class needs to train and validate."""
    rng = np.random.default_rng([_STREAM, seed])
    _, counts = np.unique(labels, return_counts=True)
    wanted = np.minimum(apportioned(counts, round(share * len(labels)), rng), np.maximum(counts - 2, 0))
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for members, few in zip(by_class(labels), wanted, strict=True):
        chosen[rng.permutation(members)[:few]] = True
    return chosen


def held_back(labels: NDArray[np.integer], share: float, seed: int) -> NDArray[np.bool_]:
    """A share of each class, the same every time; a class of two images or more has some on either side."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for members in map(rng.permutation, by_class(labels)):
        wanted = round(share * len(members))
        chosen[members[: min(max(wanted, 1), len(members) - 1)]] = True
    return chosen
