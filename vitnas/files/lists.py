"""What of a folder is ours: its files with their hashes, in a list beside them. Links are never followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from vitnas.errors import DataError, ForeignFilesError
from vitnas.files.whole import read_json, sha256, write_json

LIST = ".vitnas.json"
"""In a folder that vitnas made: its files, relative names with '/' to their SHA-256."""
FORMAT = "vitnas-folder/1"

Ours = Mapping[str, str | None]
"""Files that may go: names to their SHA-256, or to None where the name alone decides."""


def write_list(folder: Path) -> None:
    """Lists all files of a folder in it."""
    files = {name: sha256(file) for name, file in _entries(folder) if stat.S_ISREG(file.lstat().st_mode)}
    write_json(folder / LIST, {"format": FORMAT, "files": files})


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


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    """All below a folder, its sub-folders before what is in them, in the order of their names; links are not followed."""
    for home, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = Path(home) / name
            yield path.relative_to(folder).as_posix(), path
