"""What keeps a file from being written, and what to do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitnas.errors import DiskError

KEPT = "what was there before is as it was"

REMEDIES = {
    errno.ENOSPC: "make room on that disk, and give the command again",
    errno.EDQUOT: "your share of that disk is spent: make room, and give the command again",
    errno.EFBIG: "a limit (`ulimit -f`) or the file system allows no larger file: raise it or choose another folder",
    errno.EIO: "the disk fails, or a quota or limit (`ulimit -f`) is reached: look at it, or choose a folder on another",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "vitnas writes through no link: name the file itself, or remove the link",
    errno.EROFS: "choose a folder that may be written",
    errno.EACCES: "choose a folder that may be written",
    errno.EPERM: "choose a folder that may be written",
}
TROUBLES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENAMETOOLONG)
"""The disk or a name, whatever was being done."""
PHRASES = {
    "no space left on device": errno.ENOSPC,
    "database or disk is full": errno.ENOSPC,
    "disk quota exceeded": errno.EDQUOT,
    "file too large": errno.EFBIG,
    "disk i/o error": errno.EIO,
}
"""How libraries tell of it that raise errors of their own."""


@contextmanager
def writing(path: Path, kept: str = KEPT) -> Iterator[None]:
    """Turns whatever the system says into an error that names the file, what survives, and the remedy."""
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        raise _told(error, path, error.errno, kept) from error


@contextmanager
def disk_troubles(path: Path, kept: str = KEPT) -> Iterator[None]:
    """As `writing`, around work of many kinds: only what the disk is to blame for is turned into its error."""
    try:
        yield
    except DiskError:
        raise
    except Exception as error:
        found = disk_trouble(error)
        if found is None:
            raise
        raise _told(error, path, found, kept) from error


def disk_trouble(error: BaseException) -> int | None:
    """The number of the system's error, if a full or failing disk is what lies behind an exception."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.errno in TROUBLES:
            return cause.errno
        text = str(cause).lower()
        found = next((number for phrase, number in PHRASES.items() if phrase in text), None)
        if found is not None:
            return found
        cause = cause.__cause__ or cause.__context__
    return None


def _told(error: BaseException, path: Path, number: int | None, kept: str) -> DiskError:
    own = isinstance(error, OSError) and error.strerror
    reason = str(own or (os.strerror(number) if number is not None else error))
    found = DiskError(f"cannot write '{path}': {reason}; {kept}; {REMEDIES.get(number or 0, 'choose another place')}")
    found.errno = number
    return found


def describe_trouble(number: int, path: str | None = None) -> str:
    """What is to be said of one of the `TROUBLES` wherever it came up."""
    what = f"cannot write '{path}'" if path else "a file could not be written"
    return f"{what}: {os.strerror(number)}; what was complete before is as it was; {REMEDIES[number]}"
