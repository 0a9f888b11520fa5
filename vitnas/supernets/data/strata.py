"""Drawing a few of many images so that every class has its share, by a seed and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_STREAM = 0x5A3B1E
"""Keeps these draws apart from others that begin with the same seed."""


def drawn(labels: NDArray[np.integer], n: int, seed: int) -> NDArray[np.int64]:
    """Positions of `n` images, in rising order, or of all if there are fewer.

    How many there are of a class differs by less than one from the share of the class in all of them. It follows from
    the numbers of images of the classes and the seed alone, not from the order in which the images lie.
    """
    if n >= len(labels):
        return np.arange(len(labels))
    rng = np.random.default_rng([_STREAM, seed])
    _, counts = np.unique(labels, return_counts=True)
    wanted = apportioned(counts, n, rng)
    chosen = [rng.permutation(members)[:few] for members, few in zip(by_class(labels), wanted, strict=True)]
    found: NDArray[np.int64] = np.sort(np.concatenate(chosen))
    return found


def apportioned(counts: NDArray[np.integer], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many of each class make `n` in all: the whole part of its share, and one more for the largest rests.

    Rests that are equal are put into an order by chance, so that no class is the first because of its number.
    """
    total = int(counts.sum())
    whole, rest = np.divmod(counts.astype(np.int64) * n, total)
    more = np.lexsort((rng.permutation(len(counts)), -rest))[: n - int(whole.sum())]
    whole[more] += 1
    return whole


def by_class(labels: NDArray[np.integer]) -> Iterator[NDArray[np.int64]]:
    """The positions of each class that there is, classes and positions in rising order."""
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    yield from np.split(order, starts[1:]) if len(labels) else ()
