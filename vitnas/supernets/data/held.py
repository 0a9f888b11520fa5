"""Images that lie on the device where networks look at them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.supernets.data.images import Images

MOST_BYTES = 4 * 2**30
"""Images that take more are not held but read where they lie, batch by batch."""
CHUNK = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class Held(Images):
    """All images as uint8 on one device: batches are picked and normalised there.

    Attributes:
        x: uint8 of shape (N, C, H, W).
        y: the truths, on the same device.
    """

    x: Tensor
    y: Tensor

    def pixels(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(self.rows[indices]).to(self.x.device)
        return self.x[rows], self.y[rows]

    def truths(self, rows: NDArray[np.int64]) -> Tensor:
        return self.y[torch.from_numpy(rows).to(self.y.device)]


def fits(images: Images) -> bool:
    """Whether they are few enough to be held."""
    truth = 0 if images.truth is None else images.truth.bytes_of(images.image_size)
    return len(images) * (math.prod(images.shape) + truth) <= MOST_BYTES


def hold(images: Images, device: torch.device) -> Images:
    """The same images on a device, if they fit there; else as they were."""
    if not fits(images):
        return images
    x = torch.empty((len(images), *images.shape), dtype=torch.uint8, device=device)
    y = torch.empty(0)
    for start in range(0, len(images), CHUNK):
        part = np.arange(start, min(start + CHUNK, len(images)))
        pixels, truths = images.pixels(part)
        if not start:
            y = torch.empty((len(images), *truths.shape[1:]), dtype=truths.dtype, device=device)
        x[start : start + len(part)], y[start : start + len(part)] = pixels, truths
    return Held(
        x=x,
        y=y,
        labels=images.labels[images.rows],
        rows=np.arange(len(images)),
        image_size=images.image_size,
        channels=images.channels,
        mean=images.mean,
        std=images.std,
        truth=images.truth,
    )
