"""Images with labels, and a data set of them split into training and validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.errors import DataError
from vitnas.search_spaces import SearchSpace, Task


@dataclass(frozen=True, eq=False)
class Images:
    """Normalised images in memory.

    Training and evaluation read them through `take`, `batches` and `len` only, so a kind of data
    that decodes on demand is a class with these three.

    Attributes:
        x: float32 of shape (N, C, H, W).
        y: int64 of shape (N,), the classes.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(indices)
        return self.x[chosen], self.y[chosen]

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images once, in their order; the last batch may be smaller."""
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a supernet is trained and judged on.

    Attributes:
        name: how people and files call it.
        task: the image size, channels and classes that a network for it must have.
        train: images to learn from.
        val: images to judge subnets by; never learnt from.
        mean: of each channel of the training pixels, which lie in 0..1.
        std: of each channel of the training pixels; images are (pixels - mean) / std.
    """

    name: str
    task: Task
    train: Images
    val: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def from_pixels(
        cls, name: str, pixels: NDArray[np.floating], labels: NDArray[np.integer], val_share: float = 0.2, seed: int = 0
    ) -> Dataset:
        """Splits stratified by class, and normalises by what the training part measures.

        Args:
            name: of the data set.
            pixels: (N, C, H, W) in 0..1.
            labels: (N,) classes from 0.
            val_share: how much of each class is kept for validation.
            seed: of the split.
        """
        if not len(pixels) == len(labels) > 0 or pixels.shape[2] != pixels.shape[3]:
            raise DataError(
                f"dataset '{name}' needs square images, each with one label; got images of shape {pixels.shape} "
                f"and {len(labels)} labels; check how it is read"
            )
        in_train = ~_validation_rows(labels, val_share, seed)
        kept = pixels[in_train].astype(np.float64)
        mean, std = kept.mean(axis=(0, 2, 3)), kept.std(axis=(0, 2, 3))
        if (std == 0).any():
            raise DataError(f"dataset '{name}' has a channel whose pixels are all equal; check how it is read")
        x = torch.from_numpy(((pixels - mean[:, None, None]) / std[:, None, None]).astype(np.float32))
        y = torch.from_numpy(labels.astype(np.int64))
        rows = torch.from_numpy(in_train)
        task = Task(image_size=pixels.shape[2], num_classes=int(labels.max()) + 1, in_channels=pixels.shape[1])
        return cls(
            name, task, Images(x[rows], y[rows]), Images(x[~rows], y[~rows]), tuple(mean.tolist()), tuple(std.tolist())
        )

    def check(self, space: SearchSpace) -> None:
        """Refuses a space whose networks are built for another task."""
        if space.task != self.task:
            raise DataError(
                f"dataset '{self.name}' holds {_words(self.task)}, but space '{space.name}' is built for "
                f"{_words(space.task)}; load the space for {self.task}"
            )


def _validation_rows(labels: NDArray[np.integer], share: float, seed: int) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    held_back = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        held_back[members[: round(share * len(members))]] = True
    return held_back


def _words(task: Task) -> str:
    size = task.image_size
    return f"{size}x{size} images with {task.in_channels} channel(s) and {task.num_classes} classes"
