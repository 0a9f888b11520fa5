"""Files below a folder, each real one once, whichever links lead to it, and without what operating systems leave there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from vitnas.supernets.data.decoding import EXTENSIONS, LARGEST_FILE, UnreadableError

JUNK = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "lost+found",
        "@eadir",
        "#recycle",
        "#snapshot",
        "network trash folder",
        "temporary items",
        "__pycache__",
    }
)
"""Names, in small letters, that macOS, Windows, Linux and file servers give to files and folders of their own."""

Place = int
"""What tells a real file or folder from every other of this machine: its device and its number there."""


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is hidden or the operating system's own, and so no image and no class."""
    return name.startswith(".") or name.lower() in JUNK


def place_of(found: os.stat_result) -> Place:
    return found.st_dev << 64 | found.st_ino


def stamp_of(found: os.stat_result) -> str:
    """What changes whenever somebody writes to a file or puts another in its place."""
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


class ImageFile(NamedTuple):
    """A file that is named like an image. Sorted, those that lie there come before those that links lead to.

    Attributes:
        linked: whether it is a symbolic link itself.
        name: relative to the folder.
        place: the real file; -1 for a link that leads nowhere, which reading will find out.
    """

    linked: bool
    name: str
    place: Place


class Walk:
    """Image files anywhere below a folder, in no order, also through links; a real folder is entered once.

    Links are followed after everything else, so that a folder is met by the name it really has.

    Attributes:
        again: links and mounts to a folder that had been entered already, as far as the walk has come.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self.again: list[str] = []

    def __iter__(self) -> Iterator[ImageFile]:
        seen: set[Place] = set()
        here: list[tuple[str, Place]] = [("", place_of(os.stat(self._root)))]
        linked: list[tuple[str, Place]] = []
        while here or linked:
            if not here:
                linked.sort(reverse=True)
            below, place = here.pop() if here else linked.pop()
            if place in seen:
                self.again.append(below.rstrip("/"))
                continue
            seen.add(place)
            with os.scandir(os.path.join(self._root, below)) as entries:
                for entry in entries:
                    if is_junk(entry.name):
                        continue
                    name, is_image = below + entry.name, entry.name.lower().endswith(EXTENSIONS)
                    try:
                        found = entry.stat()
                    except OSError:
                        if is_image:
                            yield ImageFile(entry.is_symlink(), name, -1)
                        continue
                    if stat.S_ISDIR(found.st_mode):
                        (linked if entry.is_symlink() else here).append((name + "/", place_of(found)))
                    elif is_image and stat.S_ISREG(found.st_mode):
                        yield ImageFile(entry.is_symlink(), name, place_of(found))


def image_names(root: Path) -> list[str]:
    """Image files anywhere below a folder, relative to it, each real one once."""
    first: dict[Place, str] = {}
    for file in sorted(Walk(root)):
        first.setdefault(file.place, file.name)
    return sorted(first.values())


def read_limited(file: BinaryIO) -> bytes:
    """An image file, if it is no larger than one can be."""
    size = os.fstat(file.fileno()).st_size
    if size > LARGEST_FILE:
        raise UnreadableError(f"{size / 2**20:.0f} MiB, more than an image of {LARGEST_FILE >> 20} MiB")
    return file.read()
