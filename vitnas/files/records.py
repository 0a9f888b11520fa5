"""A file of records of one length that many processes fill in any order; each record is whole or does not count."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

from vitnas.files.disk import writing
from vitnas.files.whole import NOFOLLOW

SEAL_BYTES = 32


class SealedRecords:
    """Records by number, each behind a SHA-256 of its mark and its content.

    What was cut off by a kill, has been damaged, was written under another mark or was never written is not there. The file
    is as long as its last record, and takes no room for those before that are not there, where the file system knows holes.

    Args:
        path: of the file, made with its first record.
        length: bytes of every record.
    """

    def __init__(self, path: Path, length: int) -> None:
        self.path, self._length = path, length

    def bytes_of(self, records: int) -> int:
        """How long the file is with so many."""
        return records * (SEAL_BYTES + self._length)

    def read(self, number: int, mark: str, into: memoryview) -> bool:
        """Whether the record is there; if not, `into` may hold anything."""
        try:
            with os.fdopen(os.open(self.path, os.O_RDONLY | NOFOLLOW), "rb", buffering=0) as file:
                file.seek(self.bytes_of(number))
                seal = file.read(SEAL_BYTES)
                return file.readinto(into) == self._length and seal == _seal(mark, into)
        except OSError:
            return False

    def write(self, number: int, mark: str, content: memoryview) -> None:
        """Puts a record into its place, through no link and into no file that has a second name."""
        assert len(content) == self._length
        with writing(self.path, "what is in it stays"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | NOFOLLOW, 0o666)
            with os.fdopen(handle, "r+b", buffering=0) as file:
                found = os.fstat(handle)
                if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                    raise OSError(errno.EINVAL, "it is no file, or one with a second name", str(self.path))
                file.seek(self.bytes_of(number))
                file.write(_seal(mark, content) + content)


def _seal(mark: str, content: memoryview) -> bytes:
    digest = hashlib.sha256(mark.encode() + b"\0")
    digest.update(content)
    return digest.digest()
