"""Folders that appear whole and replace nothing but what vitnas wrote: each lists its files with their hashes."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import stat
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from vitnas.errors import DataError, DiskError, ForeignFilesError
from vitnas.files.disk import disk_troubles, writing
from vitnas.files.whole import read_json, refuse_link, sha256, write_json

LIST = ".vitnas.json"
"""In a folder that vitnas made: its files, relative names with '/' to their SHA-256."""
FORMAT = "vitnas-folder/1"

Ours = Mapping[str, str | None]
"""Files that may go: names to their SHA-256, or to None where the name alone decides."""


def listed(folder: Path) -> Ours | None:
    """The files of a folder as vitnas left it; None where it left no list, or that is damaged."""
    path = folder / LIST
    if path.is_symlink() or not path.is_file():
        return None
    try:
        data = read_json(path)
    except DataError:
        return None
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("files"), dict):
        return None
    return {str(name): str(digest) for name, digest in data["files"].items()}


def as_listed(path: Path) -> bool:
    """Whether a file, or all in a folder, is what the list of a folder above says; true where there is none."""
    for home in list(path.parents)[:3]:
        known = listed(home)
        if known is not None:
            name = path.relative_to(home).as_posix()
            mine = [each for each in known if each == name or each.startswith(f"{name}/")]
            return bool(mine) and all((home / n).is_file() and sha256(home / n) == known[n] for n in mine)
    return True


def foreign(folder: Path, ours: Ours) -> list[str]:
    """What a folder holds besides `ours`: other files, those whose content is another, links, empty folders."""
    found = []
    for name, path in _entries(folder):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            if not any(path.iterdir()) and not any(known.startswith(f"{name}/") for known in ours):
                found.append(f"{name}/")
        elif name == LIST and stat.S_ISREG(mode):
            continue
        elif name not in ours or not stat.S_ISREG(mode) or ours[name] not in (None, sha256(path)):
            found.append(name)
    return found


def refuse_foreign(folder: Path, ours: Callable[[Path], Ours | None] = listed) -> None:
    """Raises an error that names what in a folder is not of vitnas, or was changed since; links are never followed."""
    if not os.path.lexists(folder):
        return
    if folder.is_symlink():
        raise ForeignFilesError(f"'{folder}' is a link, and vitnas replaces none; name the folder itself")
    if not folder.is_dir():
        raise ForeignFilesError(f"'{folder}' is a file; choose a folder")
    known = ours(folder)
    others = foreign(folder, known or {})
    if not others:
        return
    names = ", ".join(f"'{name}'" for name in others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    why = "did not write, or that changed since" if known else f"did not write: it left no whole {LIST} there"
    raise ForeignFilesError(
        f"'{folder}' holds {names}, which vitnas {why}; move that elsewhere, or choose another folder"
    )


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
        with _held(draft):
            with _told_of(path, draft), disk_troubles(path):
                yield draft
            with writing(path):
                if with_list:
                    files = {name: sha256(file) for name, file in _entries(draft) if file.is_file()}
                    write_json(draft / LIST, {"format": FORMAT, "files": files})
                if os.path.lexists(path):
                    _replace(path, draft, ours)
                else:
                    draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _told_of(path: Path, draft: Path) -> Iterator[None]:
    """Errors name the folder that was asked for."""
    try:
        yield
    except DiskError as error:
        found = DiskError(str(error).replace(str(draft), str(path)))
        found.errno = error.errno
        raise found from error


def remove_folder(folder: Path, ours: Ours | None = None) -> bool:
    """Removes our files from a folder, by default those of its list, and the folder if nothing else is left; says which."""
    known = (listed(folder) if ours is None else ours) or {}
    if folder.is_symlink() or not folder.is_dir():
        return False
    entries = list(_entries(folder))
    for name, path in [each for each in entries if each[0] != LIST] + [each for each in entries if each[0] == LIST]:
        if stat.S_ISREG(path.lstat().st_mode) and (name in known or name == LIST):
            path.unlink()
    for _, path in reversed(entries):
        if not path.is_symlink() and path.is_dir():
            with suppress(OSError):
                path.rmdir()
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def _replace(path: Path, draft: Path, ours: Callable[[Path], Ours | None]) -> None:
    refuse_foreign(path, ours)
    known = ours(path) or {}
    aside = draft.with_suffix(".old")
    with _held(path):
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
        if found is None or folder.is_symlink() or not folder.is_dir() or not _is_abandoned(folder):
            continue
        path = home / found[1]
        if folder.suffix == ".old" and not os.path.lexists(path):
            folder.rename(path)
        elif folder.suffix == ".tmp" and listed(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)  # half a draft; links in it are removed, not followed
        elif not foreign(folder, known := ours(folder) or {}):
            remove_folder(folder, known)


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    """All below a folder, its sub-folders before what is in them, in the order of their names; links are not followed."""
    for home, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = Path(home) / name
            yield path.relative_to(folder).as_posix(), path


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


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Shows other processes that a folder, whatever becomes of its name, is in use; the system lifts the lock."""
    try:
        import fcntl  # not everywhere; without it nothing is ever taken for abandoned
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _is_abandoned(folder: Path) -> bool:
    """Whether no process is at work on a draft; one on another machine is, for all that can be known."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


__all__ = [
    "FORMAT",
    "LIST",
    "Ours",
    "as_listed",
    "foreign",
    "listed",
    "new_folder",
    "refuse_foreign",
    "remove_folder",
    "tidy",
]
