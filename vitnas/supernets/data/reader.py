"""Reads images in a process of its own, for a training in another one, which calls `main` there."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from vitnas.interruption import SIGNALS
from vitnas.supernets.data.pictures import Pictures


@dataclass(frozen=True)
class ReadBatch:
    """What was read; the pixels lie in the memory that both processes share.

    Attributes:
        labels: of the images.
        damaged: files that cannot be read and that nobody told this process of: their number -> their name.
        warnings: what was warned of meanwhile.
    """

    labels: NDArray[np.int64]
    damaged: dict[int, str]
    warnings: tuple[str, ...]


def main(memory: int) -> None:
    """Answers until nobody asks any more.

    Args:
        memory: the handle of what both processes share.
    """
    # The answers keep the real standard output; what libraries print to it joins standard error.
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for number in SIGNALS:  # they reach all processes of a terminal; whoever asks finishes its step first
        signal.signal(number, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError):  # whoever asks has ended, however that came about
        images: Pictures = pickle.load(asked)
        _answer(images, mmap.mmap(memory, 0), asked, answers)
    os._exit(0)


def _answer(images: Pictures, memory: mmap.mmap, asked: BinaryIO, answers: BinaryIO) -> None:
    told: set[int] = set()
    while True:
        indices: NDArray[np.int64] = pickle.load(asked)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                pixels, labels = images.pixels(indices)
                memory[: pixels.numel()] = pixels.numpy().data.cast("B")
                new = {row: name for row, name in images.damage.names.items() if row not in told}
                told |= new.keys()
                found: ReadBatch | Exception = ReadBatch(labels.numpy(), new, tuple(str(one.message) for one in heard))
            except Exception as error:
                found = error
        answers.write(_packed(found))
        answers.flush()


def _packed(found: object) -> bytes:
    try:
        return pickle.dumps(found)
    except Exception:  # an error that holds what cannot travel
        return pickle.dumps(RuntimeError(f"{type(found).__name__}: {found}"))
