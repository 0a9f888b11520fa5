"""Which images a step sees: a function of the seed and the step alone, so that resuming needs no more."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SettingsError

_STREAM = 0
"""Keeps these draws apart from those of the samplers (see `vitnas.supernets.training.samplers.sampler`)."""


def fitting_size(batch_size: int, num_images: int, shares: int = 1) -> int:
    """The size of a batch, or the largest that so few images can fill and that divides into equal shares."""
    if batch_size <= num_images:
        return batch_size
    size = num_images // shares * shares
    if not size:
        raise SettingsError(
            f"[train] a batch divides into {shares} equal shares, but there are {num_images} training images; lower "
            f"accumulate or the number of workers"
        )
    warnings.warn(
        f"[train] batch_size is {batch_size}, but there are {num_images} training images; a step takes {size}",
        stacklevel=2,
    )
    return size


class Batches:
    """Every epoch is one shuffle of the images, cut into equal batches; what is left over waits for the next."""

    def __init__(self, num_images: int, batch_size: int, seed: int) -> None:
        if not 0 < batch_size <= num_images:
            raise SettingsError(
                f"[train] batch_size is {batch_size}, but there are {num_images} training images; choose at most that"
            )
        self.batch_size = batch_size
        self.per_epoch = num_images // batch_size
        self._shuffle = lru_cache(maxsize=1)(
            lambda epoch: np.random.default_rng([seed, _STREAM, epoch]).permutation(num_images)
        )

    def __getitem__(self, step: int) -> NDArray[np.int64]:
        """Positions of the images of a step."""
        epoch, within = divmod(step, self.per_epoch)
        start = within * self.batch_size
        order: NDArray[np.int64] = self._shuffle(epoch)
        return order[start : start + self.batch_size]
