"""What the C library does with memory that a training gives back."""

from __future__ import annotations

import ctypes
import platform

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of glibc's malloc.h
_LARGE = 1 << 20


def return_large_blocks() -> None:
    """Lets freed tensors of a megabyte and more go back to the system at once.

    glibc learns from the first freed tensors to keep blocks of up to 32 MB. Archs of many sizes on one network leave
    holes between such blocks that fit nothing else: a sandwich step then peaked at 1.4 times the memory of the
    largest network's step, and peaks at 1.07 times without. The time of a step did not change. Elsewhere than on
    glibc this does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
