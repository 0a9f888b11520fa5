"""What stored answers of a teacher hold for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vitnas.supernets.augment import RECIPE, Augment
from vitnas.supernets.data import Dataset, Images


@dataclass(frozen=True)
class Terms:
    """What decides which image is seen at which place of which step; answers hold on these terms only.

    Attributes:
        images: hash of the training images, see `fingerprint`.
        num_images: of the training set.
        num_classes: of the task.
        batch_size: over all processes.
        seed: of the training.
        recipe: version of the code that augments.
        augment: its settings.
    """

    images: str
    num_images: int
    num_classes: int
    batch_size: int
    seed: int
    recipe: int
    augment: Mapping[str, Any]

    @classmethod
    def of(cls, dataset: Dataset, augment: Augment, batch_size: int, seed: int) -> Terms:
        images, classes = dataset.train, dataset.task.num_classes
        return cls(fingerprint(images), len(images), classes, batch_size, seed, RECIPE, asdict(augment))

    def differences(self, other: Terms) -> list[str]:
        """What is not the same, as "name: mine, theirs"."""
        mine, theirs = _flat(asdict(self)), _flat(asdict(other))
        return [
            f"{key} {mine.get(key)!r}, not {theirs.get(key)!r}"
            for key in mine | theirs
            if mine.get(key) != theirs.get(key)
        ]


def fingerprint(images: Images) -> str:
    """A hash of the number of images, their labels and the pixels of 32 of them, spread evenly."""
    places = np.unique(np.linspace(0, len(images) - 1, min(32, len(images))).astype(np.int64))
    pixels, _ = images.pixels(places)
    digest = hashlib.sha256(f"{len(images)} {tuple(pixels.shape)}".encode())
    digest.update(np.ascontiguousarray(images.labels[images.rows]).tobytes())
    digest.update(pixels.numpy().tobytes())
    return digest.hexdigest()


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        f"{key}.{name}": value
        for key, part in table.items()
        if isinstance(part, Mapping)
        for name, value in part.items()
    }
    return {key: value for key, value in table.items() if not isinstance(value, Mapping)} | nested
