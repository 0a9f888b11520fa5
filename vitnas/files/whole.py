"""Writing files so that a kill at any moment leaves the old content or the new, never half of it."""

from __future__ import annotations

import errno
import hashlib
import json
import mmap
import os
import re
import stat
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from vitnas.errors import DataError, ForeignFilesError
from vitnas.files.claims import held, is_abandoned
from vitnas.files.disk import KEPT, writing
from vitnas.files.seals import KEY, bytes_hold, holds, sealed

NOFOLLOW = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
"""For files in a folder that may have come from somebody: through no link, and waiting for no pipe."""


NEW_S = 1.0
"""A draft is made before it is locked; so young it is left alone."""


def write_bytes(path: Path, content: bytes, kept: str = KEPT) -> None:
    """Replaces a file in one step; a link in its place is refused.

    Args:
        path: its folder is made if it is not there.
        content: all of it.
        kept: what an error says of what survives.
    """
    with writing(path, kept):
        refuse_link(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy(path)
        draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW, 0o666)
            with os.fdopen(handle, "wb") as file, held(draft):
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            with suppress(OSError):
                draft.unlink()


def _tidy(path: Path) -> None:
    """Removes drafts of a file that killed processes left."""
    drafts = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.tmp")
    with os.scandir(path.parent) as entries:
        found = [entry for entry in entries if drafts.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)]
    for entry in found:
        with suppress(OSError):  # gone meanwhile
            old = time.time() - entry.stat(follow_symlinks=False).st_mtime > NEW_S
            if old and is_abandoned(Path(entry.path)):
                os.unlink(entry.path)


def refuse_link(path: Path) -> None:
    """Raises what the system raises where links are not followed."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, f"it is a link to '{os.readlink(path)}'", str(path))


def refuse_other(path: Path, mark: bytes, what: str) -> None:
    """Refuses to replace a file that is not empty and does not bear the mark of those that vitnas writes.

    Args:
        path: which may be there.
        mark: bytes that all such files hold, those of earlier versions too.
        what: they are called.
    """
    if not path.is_file() or path.is_symlink() or not path.stat().st_size:
        return  # there is nothing to lose, or writing is refused for what it is
    if mark not in path.read_bytes():
        raise ForeignFilesError(
            f"'{path}' is there and no {what} that vitnas wrote, so it is not replaced; move it elsewhere, or choose "
            "another place with --out"
        )


def refuse_full(folder: Path) -> None:
    """Raises what the system says where a megabyte no longer fits: what was tried failed for that."""
    file = folder / f".{os.urandom(4).hex()}.tmp"
    write_bytes(file, bytes(1 << 20))
    file.unlink()


def open_append(path: Path) -> BinaryIO:
    """A file to add lines to, made where it is not there; never one that lies elsewhere as well, or is no file."""
    with writing(path, "what is in it stays"):
        refuse_link(path)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | NOFOLLOW, 0o666)
        found = os.fstat(handle)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return os.fdopen(handle, "ab")
        os.close(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        write_bytes(path, path.read_bytes())  # from here on the other name has a file of its own
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | NOFOLLOW), "ab")


def write_json(path: Path, data: Any, seal: bool = True) -> None:
    """Replaces a JSON file; objects bear a seal, see `vitnas.files.seals`."""
    whole = sealed(data) if seal and isinstance(data, Mapping) else data
    write_bytes(path, (json.dumps(whole, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """A JSON file that vitnas wrote earlier, or somebody by hand; without its seal, which must hold."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"'{path}' does not exist; check the path") from None
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}; name a JSON file") from None
    return unsealed(content, f"'{path}'")


def unsealed(content: bytes, where: str) -> Any:
    """What a JSON text says."""
    try:
        data = json.loads(content.decode())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{where} is not valid JSON: {error}; write it anew") from None
    return without_seal(data, where) if isinstance(data, dict) and KEY in data else data


def without_seal(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same without its seal, which must hold."""
    if not holds(data):
        raise DataError(
            f"{where} is not as vitnas wrote it: its content does not match its seal; take a good copy or write it anew, "
            f"or, if you changed it on purpose, delete its key '{KEY}'"
        )
    return {key: value for key, value in data.items() if key != KEY}


def sealed_line(data: Mapping[str, Any]) -> bytes:
    """One line of a file of JSON lines."""
    return json.dumps(sealed(data)).encode() + b"\n"


def read_line(line: bytes) -> dict[str, Any] | None:
    """What a line says; None of one that is damaged or cut short."""
    try:
        data = unsealed(line, "the line")
    except DataError:
        return None
    return data if isinstance(data, dict) else None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What the lines of a file say. Damaged ones are left out, with a warning; half a line at the end is a kill's."""
    *whole, rest = path.read_bytes().split(b"\n")
    found = [read_line(line) for line in whole]
    damaged = [str(number) for number, entry in enumerate(found, 1) if entry is None]
    if damaged:
        warnings.warn(f"'{path}': damaged lines are left out: {', '.join(damaged[:5])}", stacklevel=2)
    last = read_line(rest) or read_line(rest[:-1])  # the very last byte may be the one that is damaged
    return [entry for entry in [*found, last] if entry is not None]


def check_seal(path: Path) -> None:
    """Refuses a file whose bytes are not those that were sealed; the file must be there."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            good = bytes_hold(content)
    if not good:
        raise DataError(not_as_written(path))


def not_as_written(path: Path) -> str:
    return (
        f"'{path}' is not as vitnas wrote it: its bytes do not match its seal; take a good copy or write it anew with the "
        f"command that made it, or, if you changed it on purpose, remove '{KEY}' from its metadata"
    )


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
