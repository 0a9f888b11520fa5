"""Which sockets a job of one machine listens on while it works, and what it leaves in the temporary folder."""

from __future__ import annotations

import ipaddress
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from problems.malformed import RUN

COMMANDS = {
    "training with 2 workers": "train-supernet --config settings.toml --space tiny.toml --out runs/two --threads 2 --workers 2",
    "search with 2 workers": f"search --config settings.toml --run {RUN} --device phone --out found-by-two --workers 2",
}
MARK = "VITNAS_BENCHMARK_JOB"
LISTENING = "0A"


@dataclass
class Heard:
    """What was seen of some jobs.

    Attributes:
        sockets: that listened, as (job, process, address); a port is another each time.
        open_to_others: those of them that other machines can reach.
        left: what the jobs left in the temporary folder.
        failed: jobs that did not end well.
    """

    sockets: set[tuple[str, str, str]] = field(default_factory=set)
    open_to_others: set[tuple[str, str, str]] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def listen_to_all(scene: Path, copy: Path) -> Heard:
    found = Heard()
    for name, command in COMMANDS.items():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(scene, copy)
        with tempfile.TemporaryDirectory(prefix="v") as temporary:
            mark = f"{os.getpid()}-{time.monotonic_ns()}"
            process = subprocess.Popen(
                [sys.executable, "-m", "vitnas.cli", *shlex.split(command)],
                cwd=copy,
                env={**os.environ, MARK: mark, "TMPDIR": temporary},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            while process.poll() is None:
                for who, address in _listening(mark):
                    found.sockets.add((name, who, address))
                    if not _is_loopback(address):
                        found.open_to_others.add((name, who, address))
                time.sleep(0.1)
            _, err = process.communicate()
            if process.returncode != 0:
                found.failed.append(f"{name}: {err[-300:]}")
            found.left += [f"{name}: {path.name}" for path in Path(temporary).iterdir()]
    return found


def _listening(mark: str) -> Iterator[tuple[str, str]]:
    """Process and address of every listening socket of the processes that carry the mark."""
    addresses = dict(_sockets())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() not in (process / "environ").read_bytes().split(b"\0"):
                continue
            links = [os.readlink(handle) for handle in (process / "fd").iterdir()]
            who = (process / "comm").read_text().strip()
        except OSError:
            continue
        for link in links:
            if link.startswith("socket:[") and link[8:-1] in addresses:
                yield who, addresses[link[8:-1]]


def _sockets() -> Iterator[tuple[str, str]]:
    """Inode and address of every socket of this machine that listens."""
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(file):
            continue
        for line in Path(file).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                yield fields[9], _address(fields[1].partition(":")[0])


def _address(text: str) -> str:
    """The kernel writes words of four bytes, each as the processor has it."""
    raw = bytes.fromhex(text)
    words = [raw[i : i + 4][::-1] if sys.byteorder == "little" else raw[i : i + 4] for i in range(0, len(raw), 4)]
    return str(ipaddress.ip_address(b"".join(words)))


def _is_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
