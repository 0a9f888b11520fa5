"""Folders that appear whole, and replace nothing but what vitnas wrote."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vitnas.errors import DiskError
from vitnas.files.claims import held, is_abandoned
from vitnas.files.disk import disk_troubles, writing
from vitnas.files.lists import Ours, foreign, listed, refuse_foreign, remove_folder, write_list
from vitnas.files.whole import refuse_link


@contextmanager
def new_folder(path: Path, ours: Callable[[Path], Ours | None] = listed, with_list: bool = True) -> Iterator[Path]:
    """Gives a draft folder that becomes `path` when the block ends well, and vanishes when not.

    An older folder of that name is replaced at the end if all in it is ours; if not, it stays and an error says what is
    in the way. The drafts of killed processes go first, and a folder that one of them had put aside comes back.

    Args:
        path: the folder.
        ours: from an older folder to the files in it that may go.
        with_list: whether the new one lists its files.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        tidy(path.parent, re.escape(path.name), ours)
        refuse_link(path)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
        draft.mkdir()
    try:
        with held(draft):
            with _told_of(path, draft), disk_troubles(path):
                yield draft
            with writing(path):
                if with_list:
                    write_list(draft)
                if os.path.lexists(path):
                    _replace(path, draft, ours)
                else:
                    draft.rename(path)
    finally:
        _discard(draft)


def _discard(draft: Path) -> None:
    """Removes a draft, or what a swap has put in its place: of a folder with a list, what is in the list."""
    known = listed(draft)
    if known is not None:
        remove_folder(draft, known)
    else:
        shutil.rmtree(draft, ignore_errors=True)  # links in it are removed, not followed


@contextmanager
def _told_of(path: Path, draft: Path) -> Iterator[None]:
    """Errors name the folder that was asked for."""
    try:
        yield
    except DiskError as error:
        found = DiskError(str(error).replace(str(draft), str(path)))
        found.errno = error.errno
        raise found from error


def _replace(path: Path, draft: Path, ours: Callable[[Path], Ours | None]) -> None:
    refuse_foreign(path, ours)
    known = ours(path) or {}
    aside = draft.with_suffix(".old")
    with held(path):
        if _exchange(draft, path):
            draft.rename(aside)
        else:
            path.rename(aside)
            draft.rename(path)
        _drop(aside, path, known)


def _drop(aside: Path, path: Path, known: Ours) -> None:
    """Removes a folder that was put aside; what somebody has put into it meanwhile stays, and is told."""
    if remove_folder(aside, known):
        return
    kept = next(p for i in range(1, 1_000_000) if not os.path.lexists(p := path.with_name(f"{path.name}.kept{i}")))
    aside.rename(kept)
    warnings.warn(f"'{kept}' holds what came into '{path}' while that was being replaced", stacklevel=2)


def tidy(home: Path, pattern: str, ours: Callable[[Path], Ours | None] = listed) -> None:
    """Clears up after processes that were killed within `new_folder`.

    Args:
        home: where the folders lie.
        pattern: of their names.
        ours: as in `new_folder`.
    """
    drafts = re.compile(rf"\.({pattern})\.\d+(\.[0-9a-f]{{8}})?\.(tmp|old)")
    for folder, found in [(each, drafts.fullmatch(each.name)) for each in home.iterdir()]:
        if found is None or folder.is_symlink() or not folder.is_dir() or not is_abandoned(folder):
            continue
        path = home / found[1]
        if folder.suffix == ".old" and not os.path.lexists(path):
            folder.rename(path)
        elif folder.suffix == ".tmp":
            _discard(folder)
        elif not foreign(folder, known := ours(folder) or {}):
            remove_folder(folder, known)


def _exchange(one: Path, other: Path) -> bool:
    """Swaps two names in one step, where the system can."""
    names = {"linux": "renameat2", "darwin": "renamex_np"}
    if sys.platform not in names:
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), names[sys.platform], None)
    if call is None:
        return False
    here, swap = -100, 2  # AT_FDCWD; RENAME_EXCHANGE and RENAME_SWAP are the same number
    paths = (os.fsencode(one), os.fsencode(other))
    if sys.platform == "darwin":
        return bool(call(*paths, swap) == 0)
    return bool(call(here, paths[0], here, paths[1], swap) == 0)


__all__ = ["new_folder", "tidy"]
