"""Images that processes read, where threads would wait for one another; the pixels come back through shared memory."""

from __future__ import annotations

import mmap
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.errors import DataError
from vitnas.supernets.data.pictures import Pictures
from vitnas.supernets.data.reader import ReadBatch

ENDS_S = 2.0
"""How long a process may take to end by itself."""


class ReaderProcess:
    """One process that reads, as long as this one lives: it ends when the pipe to it closes, however that comes about."""

    def __init__(self, images: Pictures, most: int) -> None:
        """Starts it, and does not wait until it has begun.

        Args:
            images: to read; the process gets a copy.
            most: how many it is asked for at a time.
        """
        self._shape = images.shape
        with _memory(most * int(np.prod(self._shape))) as handle:
            self._pixels = mmap.mmap(handle, 0)
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from vitnas.supernets.data.reader import main; main({handle})"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(handle,),
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "OMP_NUM_THREADS": "1"},
            )
        # To be sent by who asks first, for the process takes a while to begin; each would keep all images in memory.
        self._images: Pictures | None = replace(images, memory=None)

    def read(self, indices: NDArray[np.int64]) -> tuple[Tensor, ReadBatch]:
        """Pixels of some of the images, and what else there is to tell."""
        if self._images is not None:
            self._ask(self._images)
            self._images = None
        self._ask(indices)
        assert self._process.stdout is not None
        try:
            found = pickle.load(self._process.stdout)
        except EOFError:
            raise self._ended() from None
        if isinstance(found, Exception):
            raise found
        shape = (len(indices), *self._shape)
        lying = np.frombuffer(self._pixels, np.uint8, int(np.prod(shape))).reshape(shape)
        return torch.from_numpy(lying.copy()), found

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _ask(self, question: object) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(pickle.dumps(question))
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _ended(self) -> DataError:
        return DataError(
            f"a process that reads images ended with code {self._process.wait()}; if memory ran out, lower [train] "
            f"loader_threads, or read with loader = 'threads'"
        )


class ReaderProcesses:
    """As many processes as threads ask for images, a copy of the images in each.

    Args:
        images: to read; what turns out to be damaged is kept with them.
        number: of processes.
        most: images that one is asked for at a time.
    """

    def __init__(self, images: Pictures, number: int, most: int) -> None:
        self._images = images
        self._all = [ReaderProcess(images, most) for _ in range(number)]
        self._free: queue.SimpleQueue[ReaderProcess] = queue.SimpleQueue()
        for one in self._all:
            self._free.put(one)

    def pixels(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """As `Images.pixels`, from any thread."""
        one = self._free.get()
        try:
            pixels, shown = one.read(indices)
        finally:
            self._free.put(one)
        for text in shown.warnings:
            warnings.warn(text, stacklevel=2)
        known = self._images.damage
        for row, name in shown.damaged.items():
            if row not in known.names:
                known.add(row, name)
        return pixels, torch.from_numpy(shown.labels)

    def close(self) -> None:
        for one in self._all:
            one.close()


@contextmanager
def _memory(size: int) -> Iterator[int]:
    """Memory without a name, which goes with the last process that has it."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("vitnas-images")
        try:
            os.ftruncate(handle, size)
            yield handle
        finally:
            os.close(handle)
    else:
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            yield file.fileno()


__all__ = ["ReaderProcesses"]
