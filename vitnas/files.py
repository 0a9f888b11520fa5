"""Writing files so that a kill at any moment leaves the old content or the new, never half of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vitnas.errors import BusyError, DataError


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    write_bytes(path, (json.dumps(data, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """A JSON file that vitnas wrote earlier."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"'{path}' does not exist; check the path") from None
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}; name a JSON file") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"'{path}' is not valid JSON: {error}; write it anew") from None


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Gives a draft folder that becomes `path` when the block ends well, and vanishes when not.

    An older folder of that name is replaced at the end. The drafts of killed processes go first, and a folder that one of
    them had put aside comes back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _tidy(path)
    draft, old = (path.with_name(f".{path.name}.{os.getpid()}.{ending}") for ending in ("tmp", "old"))
    shutil.rmtree(draft, ignore_errors=True)  # of an earlier process with this number
    draft.mkdir()
    try:
        with _held(draft):
            yield draft
            if path.exists():
                with _held(path):
                    path.rename(old)
                    draft.rename(path)
                    shutil.rmtree(old)
            else:
                draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _tidy(path: Path) -> None:
    """After processes that were killed within `new_folder`."""
    of_drafts = re.compile(rf"\.{re.escape(path.name)}\.\d+\.(tmp|old)")
    for folder in [each for each in path.parent.iterdir() if of_drafts.fullmatch(each.name)]:
        if not folder.is_dir() or not _is_abandoned(folder):
            continue
        if folder.suffix == ".old" and not path.exists():
            folder.rename(path)
        else:
            shutil.rmtree(folder, ignore_errors=True)


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


@contextmanager
def only_here(folder: Path, work: str) -> Iterator[None]:
    """Keeps other processes from the same work in a folder, which is made if it is not there.

    The system lifts the lock when this process ends, however it ends. Where the work fails before it leaves anything, the
    folder goes as it came.
    """
    import fcntl  # not everywhere, so only those who lock need it

    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise BusyError(f"cannot write to '{folder}': {error.strerror}; choose another folder with --out") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(f"another {work} is at work in '{folder}'; wait for it, or choose another folder") from None
        try:
            yield
        except BaseException:
            if made and [path.name for path in folder.iterdir()] == [".lock"]:
                (folder / ".lock").unlink()
                folder.rmdir()
            raise


def is_locked(folder: Path) -> bool:
    """Whether another process holds `only_here` on a folder."""
    import fcntl

    try:
        with (folder / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
