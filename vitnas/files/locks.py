"""One process at a time in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitnas.errors import BusyError
from vitnas.files.whole import NOFOLLOW, refuse_link

LOCK = ".lock"


@contextmanager
def only_here(folder: Path, work: str) -> Iterator[None]:
    """Keeps other processes from the same work in a folder, which is made if it is not there.

    The system lifts the lock when this process ends, however it ends. Where the work fails before it leaves anything, the
    folder goes as it came.
    """
    import fcntl  # not everywhere, so only those who lock need it

    made = not folder.exists()
    lock = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        refuse_link(lock)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | NOFOLLOW, 0o666)
    except OSError as error:
        if lock.is_symlink():
            raise BusyError(f"'{lock}' is a link, and vitnas writes through none; remove it") from None
        raise BusyError(f"cannot write to '{folder}': {error.strerror}; choose another folder with --out") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(f"another {work} is at work in '{folder}'; wait for it, or choose another folder") from None
        try:
            yield
        except BaseException:
            if made and [path.name for path in folder.iterdir()] == [LOCK]:
                lock.unlink()
                folder.rmdir()
            raise
    finally:
        os.close(handle)


def is_locked(folder: Path) -> bool:
    """Whether another process holds `only_here` on a folder."""
    import fcntl

    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | NOFOLLOW)
    except OSError:  # none, a link, or one that may not be read
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
