"""Drafts and folders that show that a process is at work on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def held(draft: Path) -> Iterator[None]:
    """Shows other processes that a file or folder, whatever becomes of its name, is in use; the system lifts the lock."""
    try:
        import fcntl  # not everywhere; without it nothing is ever taken for abandoned
    except ImportError:
        yield
        return
    handle = os.open(draft, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def is_abandoned(draft: Path) -> bool:
    """Whether no process is at work on a draft; one on another machine is, for all that can be known."""
    try:
        import fcntl

        handle = os.open(draft, os.O_RDONLY)
    except (ImportError, OSError):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
