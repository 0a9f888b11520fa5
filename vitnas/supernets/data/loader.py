"""Reading ahead: batches are decoded by background threads, or processes, while the step before them runs."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vitnas.supernets.data.batches import Batches
from vitnas.supernets.data.images import Images
from vitnas.supernets.data.pictures import Pictures
from vitnas.supernets.data.processes import ReaderProcesses

Rows = NDArray[np.int64]
Batch = tuple[Tensor, Tensor, Rows]


class Loader:
    """The batches of the steps from `start` to `stop`, each as (uint8 pixels, labels, positions in `images`).

    What comes, and in which order, does not depend on the number of threads or processes. To resume, begin at
    another step. What goes wrong in one is raised where the batch would have come. They end
    with the iteration, also when it is left early.

    Args:
        images: to read.
        batches: which of them a step sees.
        start: the first step.
        stop: the step after the last.
        share: the part of a batch that this process reads; by default all of it.
        threads: that read; as many batches again wait in memory.
        pinned: whether they wait in memory that a GPU copies from while the processor goes on.
        processes: whether each thread has a process that reads for it, so that none waits for Python in another; only
            images in files; others lie in memory, or in a table that stays where it was opened.
    """

    def __init__(
        self,
        images: Images,
        batches: Batches,
        start: int,
        stop: int,
        share: Callable[[Rows], Rows] | None = None,
        threads: int = 2,
        pinned: bool = False,
        processes: bool = False,
    ) -> None:
        assert threads >= 1
        self._images, self._batches, self._share = images, batches, share
        self._steps, self._threads, self._pinned = range(start, stop), threads, pinned
        self._processes = processes

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Batch]:
        waiting: deque[tuple[Future[tuple[Tensor, Tensor]], Rows]] = deque()
        readers = self._readers()
        pool = ThreadPoolExecutor(self._threads, "vitnas-loader")
        try:
            for step in self._steps:
                indices = self._batches[step]
                if self._share is not None:
                    indices = self._share(indices)
                waiting.append((pool.submit(self._read, readers or self._images, indices), indices))
                if len(waiting) > 2 * self._threads:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            if readers is not None:
                readers.close()

    def _readers(self) -> ReaderProcesses | None:
        if not self._processes or not self._steps:
            return None
        if not isinstance(self._images, Pictures) or not self._images.files.travel:
            warnings.warn(
                "[train] loader is 'processes', but these images cannot be read by another process; threads read them",
                stacklevel=2,
            )
            return None
        return ReaderProcesses(self._images, min(self._threads, len(self._steps)), self._batches.batch_size)

    def _read(self, images: Images | ReaderProcesses, indices: Rows) -> tuple[Tensor, Tensor]:
        pixels, labels = images.pixels(indices)
        return (pixels.pin_memory(), labels.pin_memory()) if self._pinned else (pixels, labels)


def _next(waiting: deque[tuple[Future[tuple[Tensor, Tensor]], Rows]]) -> Batch:
    future, indices = waiting.popleft()
    pixels, labels = future.result()
    return pixels, labels, indices
