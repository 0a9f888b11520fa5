"""What a training sets for its process: threads, and what the C library does with memory that is given back."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.processes.distributed import World

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
_NEVER = 1 << 30


def keep_freed_blocks() -> None:
    """Keeps the memory of freed tensors for the next ones.

    glibc gives blocks of some size, and what is free at the end of its heap, back to the system at once, and takes the
    same pages again in the next step, where the system fills each with zeros first: a quarter to a half of the
    processor time of a step. Elsewhere than on glibc this does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _NEVER)
        libc.mallopt(_TRIM_THRESHOLD, _NEVER)


def return_freed_blocks() -> None:
    """Gives the system what is free, at the end of a training in a process that goes on."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def surroundings(settings: TrainSettings, world: World) -> Iterator[None]:
    """The threads of the settings, and torch's global generator left as it was."""
    before = torch.get_num_threads()
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", world.size))  # processes on this machine
    torch.set_num_threads(max(1, (settings.threads or before) // beside))
    keep_freed_blocks()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)
        return_freed_blocks()
