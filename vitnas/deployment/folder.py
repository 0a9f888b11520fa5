"""The folder an export leaves: refused before the work starts, complete or absent when it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitnas.errors import ExportError
from vitnas.files import new_folder
from vitnas.supernets.exported import REPORT


def check_folder(out: Path, force: bool) -> Path:
    """The absolute path of a folder that an export may write, or an error that says why it may not."""
    out = out.resolve()
    if out.is_dir():
        if any(out.iterdir()) and not force:
            raise ExportError(f"'{out}' is not empty; choose another folder with --out, or replace it with --force")
        if any(out.iterdir()) and not (out / REPORT).is_file():
            raise ExportError(
                f"'{out}' holds files but no {REPORT}, so vitnas did not write it and --force does not replace it; choose another folder with --out"
            )
    elif out.exists():
        raise ExportError(f"'{out}' is a file; choose a folder with --out")
    home = next(folder for folder in out.parents if folder.exists())
    if not (home.is_dir() and os.access(home, os.W_OK | os.X_OK)):
        raise ExportError(f"cannot write below '{home}'; choose another folder with --out")
    return out


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """`new_folder`, with failures of the disk told as errors of the export."""
    try:
        with new_folder(out) as draft:
            yield draft
    except OSError as error:
        raise ExportError(
            f"cannot write '{out}': {error.strerror or error}; make room or choose another folder with --out"
        ) from error
