"""Temporary folders that no other user can enter, and that go with their process, however that ends."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitnas.files.claims import held, is_abandoned

PREFIX = "vitnas-"

MARK = ".vitnas-temporary"
"""Stands in folders that are locked for as long as their process lives, and in no others."""


@contextmanager
def temporary_folder(longest: int | None = None) -> Iterator[Path]:
    """A new folder of this user alone, removed where the block ends; those of killed processes go first.

    Args:
        longest: characters its path may have, where sockets will lie in it; a system's own temporary folder may be too deep.
    """
    base = Path(tempfile.gettempdir())
    if longest is not None and len(str(base / PREFIX)) + 8 > longest:
        base = Path("/tmp")
    _tidy(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    try:
        with held(folder):
            (folder / MARK).touch()
            yield folder
    finally:
        _remove(folder)


def _tidy(base: Path) -> None:
    """Removes what killed processes of this user left."""
    for folder in base.glob(f"{PREFIX}*"):
        try:
            state = folder.lstat()
            ours = not hasattr(os, "getuid") or state.st_uid == os.getuid()
            if ours and not folder.is_symlink() and (folder / MARK).is_file() and is_abandoned(folder):
                _remove(folder)
        except OSError:
            continue  # gone meanwhile


def _remove(folder: Path) -> None:
    """Also while processes that are ending still write there."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)
