"""What measuring over a wire has in common: a bundle that waits for its results, and commands that may fail."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from vitnas.errors import DeviceError
from vitnas.files import remove_folder
from vitnas.latency_lut.remote.bundle import LAYERS, TERMS, Bundle, bundled_files, write_bundle
from vitnas.latency_lut.remote.manifest import Format, read_manifest
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.search_spaces import SearchSpace

ANSWER_S = 60.0
"""How long a command that only asks may take."""


def waiting_bundle(
    space: SearchSpace,
    device: str,
    path: Path,
    settings: ProfileSettings,
    runtime: Format,
    layers: int = LAYERS,
    threads: int = 1,
    progress: bool = True,
) -> Bundle:
    """The bundle beside a table that is still to come; one that an earlier call left there on the same terms is kept."""
    if path.is_dir():
        raise DeviceError(f"'{path}' is a folder; name a file for the table, such as '{path / device}.parquet'")
    folder = path.with_name(path.name + ".bundle")
    terms = msgspec.json.encode([device, runtime, threads, layers, space.fingerprint, settings], order="deterministic")
    with suppress(DeviceError, OSError):
        if (folder / TERMS).read_bytes() == terms:
            return Bundle(folder, read_manifest(folder))
    return write_bundle(
        space, device, folder, settings, runtime, layers, threads, progress=progress, beside={TERMS: terms}
    )


def check_cores(cores: str, threads: int) -> tuple[int, ...]:
    """The numbers in a text such as 4,5; none in an empty one."""
    if not re.fullmatch(r"(\d{1,4}(,\d{1,4})*)?", cores):
        raise DeviceError(f"cores are numbers with commas between them, such as 4,5; got '{cores}'")
    found = tuple(sorted({int(core) for core in cores.split(",")})) if cores else ()
    if threads < 1 or (found and len(found) < threads):
        raise DeviceError(
            f"{threads} threads on cores '{cores}': at least one thread is needed, and a core for each; leave out cores to "
            "let the device choose"
        )
    return found


def discard(bundle: Bundle) -> None:
    """Removes a bundle whose results are in; what somebody put into its folder stays."""
    remove_folder(bundle.folder, bundled_files(bundle.folder))


def call(
    command: Sequence[str], timeout_s: float = ANSWER_S, stdin: IO[bytes] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program with its arguments as they are; no shell here reads them."""
    if shutil.which(command[0]) is None:
        raise DeviceError(f"'{command[0]}' is not installed on this machine, or not on PATH; install it first")
    try:
        return subprocess.run(
            list(command),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
        )
    except subprocess.TimeoutExpired:
        raise DeviceError(
            f"no answer to `{' '.join(command)[:200]}` in {timeout_s:g} s; check that the device is awake and reachable"
        ) from None


def last_line(text: str) -> str:
    """What a program said last."""
    return (text.strip().splitlines() or ["it said nothing"])[-1]
