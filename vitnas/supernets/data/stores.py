"""Data on an object store, through fsspec: copied once to where vitnas keeps what can be made again."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from vitnas.errors import DataError
from vitnas.extras import load
from vitnas.files import read_json, write_json, writing
from vitnas.files.caches import cache_folder
from vitnas.files.disk import TROUBLES
from vitnas.progress import Bar
from vitnas.supernets.data.formats.webdataset import expand

ADDRESS = re.compile(r"(?P<kind>[a-z][a-z0-9+.-]*)://(?P<place>.+)")
INDEX = "index.json"
"""Beside the copy: file -> what the store said of it when it was copied."""
FILES = "files"
"""The copy."""
EVERY_BYTES = 1 << 30
"""So much is copied at most before the index tells of it."""
MARKS = ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "last_modified", "updated", "mtime", "created")
"""What stores call that which changes with a file."""


class Stored(NamedTuple):
    """A file on a store: where, how large, and what changes with it."""

    path: str
    size: int
    mark: str


def is_address(name: str) -> bool:
    """Whether a name means a place on a store, such as ``s3://bucket/photos``."""
    return ADDRESS.fullmatch(name) is not None


def local_place(address: str, show: bool = True) -> str:
    """Where a place lies here, as it is on the store now; only files that have changed since the last time are copied.

    Args:
        address: of a folder, a file or tar shards, such as ``s3://bucket/photos`` or ``gs://bucket/a-{000..011}.tar``.
        show: a bar on standard error.
    """
    found = ADDRESS.fullmatch(address)
    assert found is not None
    if "@" in found["place"].partition("/")[0]:
        raise DataError(
            f"data '{found['kind']}://...' has a name or password in its address, which would stand in the files of a run; "
            "leave it out, and give it to the store's package by its environment variables"
        )
    parent, _, last = address.rpartition("/")
    if "{" in parent:
        raise DataError(f"data '{address}' has braces in a folder's name; they may count files alone")
    store, root = _opened(parent if "{" in last else address)
    there = _files(store, root, address, set(expand(last)) if "{" in last else None)
    home = cache_folder() / "stores" / hashlib.sha256(address.encode()).hexdigest()[:16]
    _follow(store, there, home, Bar(f"copying {address}", 0, show, counted=False))
    if "{" in last:
        return str(home / FILES / last)
    return str(home / FILES / last if [path for path, _, _ in there.values()] == [root] else home / FILES)


def _follow(store: Any, there: Mapping[str, Stored], home: Path, bar: Bar) -> None:
    """Makes the copy what is on the store."""
    index = home / INDEX
    known = _known(index)
    for gone in known.keys() - there.keys():
        with suppress(OSError):
            (home / FILES / gone).unlink()
    known = {name: mark for name, mark in known.items() if name in there}
    lacking = {
        name: one
        for name, one in there.items()
        if known.get(name) != one.mark or not _is_there(home / FILES / name, one.size)
    }
    if not lacking:
        return
    bar.update(total=sum(one.size for one in lacking.values()))
    with bar:
        unsaid = 0
        for name, one in lacking.items():
            _copy(store, one.path, home / FILES / name)
            known[name], unsaid = one.mark, unsaid + one.size
            if unsaid >= EVERY_BYTES:
                write_json(index, known)
                unsaid = 0
            bar.advance(one.size)
    write_json(index, known)


def _opened(address: str) -> tuple[Any, str]:
    fsspec = load("fsspec")
    try:
        store, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:  # a package that is missing, or a store that nobody knows
        raise DataError(f"data '{address}' cannot be reached: {error}") from None
    return store, str(root).rstrip("/")


def _files(store: Any, root: str, address: str, only: Set[str] | None) -> dict[str, Stored]:
    """Name below the place -> file, of all or of some."""
    with _reached(address):
        listed: Mapping[str, Mapping[str, Any]] = store.find(root, detail=True)
    found: dict[str, Stored] = {}
    for path, about in listed.items():
        name = str(path).removeprefix(root).lstrip("/") or PurePosixPath(root).name
        if str(path).endswith("/") or (only is not None and name not in only):
            continue
        parts = PurePosixPath(name).parts
        if ".." in parts or any("\\" in part or ":" in part for part in parts):
            raise DataError(f"data '{address}' has a file '{name}', which would lie outside of its copy; rename it")
        mark = next((str(about[key]) for key in MARKS if about.get(key) is not None), "")
        found[name] = Stored(str(path), int(about["size"]), f"{about['size']} {mark}")
    if lacking := sorted((only or set()) - found.keys()):
        raise DataError(
            f"data '{address}' lacks {len(lacking)} files, such as '{lacking[0]}'; check the numbers in braces"
        )
    if not found:
        raise DataError(f"data '{address}' does not exist, or holds no file; check the address")
    return found


def _known(index: Path) -> dict[str, str]:
    try:
        return {str(name): str(mark) for name, mark in read_json(index).items() if name != "seal"}
    except (OSError, DataError):
        return {}


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == size


def _copy(store: Any, path: str, target: Path) -> None:
    """In one step, so that nobody reads half a file."""
    with writing(target, "what was copied before is kept"):
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
        try:
            with _reached(path):
                store.get_file(path, str(draft))
            draft.replace(target)
        finally:
            with suppress(OSError):
                draft.unlink()


@contextmanager
def _reached(what: str) -> Iterator[None]:
    """Turns whatever a store's package raises into an error that says what it was about."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"data '{what}' does not exist; check the address") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in TROUBLES:  # of the disk here
            raise
        raise DataError(
            f"data '{what}' cannot be read: {type(error).__name__}: {error}; check the network and what the store's package "
            "needs to log in, then give the command again: what was copied is kept"
        ) from None
