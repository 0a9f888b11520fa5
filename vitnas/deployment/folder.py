"""The folder an export leaves: refused before the work starts, complete or absent when it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from vitnas.deployment.exporters.exporter import size_bytes
from vitnas.deployment.model_card import CARD, DIAGRAM
from vitnas.errors import DataError, ExportError, ForeignFilesError
from vitnas.files import Ours, listed, new_folder, refuse_foreign
from vitnas.supernets.weights.exported import ARCH, REPORT, WEIGHTS, exported_folders, read_report

TOGETHER_S = 60.0
"""What an export of an earlier version wrote beside its report bears the report's date, give or take."""


def check_folder(out: Path, force: bool) -> Path:
    """The absolute path of a folder that an export may write, or an error that says why it may not."""
    if out.is_symlink():
        raise ExportError(f"'{out}' is a link to '{os.readlink(out)}'; name the folder itself with --out")
    out = out.resolve()
    if out.is_dir():
        if any(out.iterdir()) and not force:
            raise ExportError(f"'{out}' is not empty; choose another folder with --out, or replace it with --force")
        try:
            refuse_foreign(out, exported_files)
        except ForeignFilesError as error:
            raise ExportError(f"--force replaces only what vitnas wrote: {error} with --out") from None
    elif out.exists():
        raise ExportError(f"'{out}' is a file; choose a folder with --out")
    home = next(folder for folder in out.parents if folder.exists())
    if not (home.is_dir() and os.access(home, os.W_OK | os.X_OK)):
        raise ExportError(f"cannot write below '{home}'; choose another folder with --out")
    return out


def whole_folder(out: Path) -> AbstractContextManager[Path]:
    """`new_folder` for an export."""
    return new_folder(out, exported_files)


def exported_files(folder: Path) -> Ours | None:
    """The files that an export may replace: those of the folder's list; without one, those its report speaks of."""
    found = listed(folder)
    if found is not None:
        return found
    with suppress(DataError, ExportError):
        report = read_report(folder)
        parts = exported_folders(folder, report)
        if parts == [folder]:
            return dict(_told(folder, report))
        below = {f"{part.name}/{name}": None for part in parts for name, _ in _told(part, read_report(part))}
        return {REPORT: None, **below}
    return None


def _told(folder: Path, report: Mapping[str, Any]) -> Iterator[tuple[str, None]]:
    """Names below the folder of one network, of an earlier version: no hash says what they were, so size and date do."""
    yield REPORT, None
    written = (folder / REPORT).stat().st_mtime
    for name in (ARCH, WEIGHTS, CARD, DIAGRAM):
        if (folder / name).is_file() and abs((folder / name).stat().st_mtime - written) < TOGETHER_S:
            yield name, None
    for told in report["formats"].values():
        path = folder / told["file"]
        if not path.exists() or path.is_symlink() or size_bytes(path) != told.get("size_bytes"):
            continue
        for file in [path] if path.is_file() else path.rglob("*"):
            yield file.relative_to(folder).as_posix(), None
