"""A Linux board over ssh: copies a bundle there, measures, and brings the figures back.

The system's OpenSSH client does the talking, with its own configuration and keys; nothing asks for a password.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitnas.errors import DeviceError
from vitnas.files.temporary import temporary_folder
from vitnas.latency_lut.remote.board import call, check_cores, discard, last_line, waiting_bundle
from vitnas.latency_lut.remote.bundle import LAYERS, Bundle, check_name
from vitnas.latency_lut.remote.results import import_results, read_results
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.progress import Bar
from vitnas.search_spaces import SearchSpace

NEEDED = "python3 -c 'import sys; assert sys.version_info >= (3, 10), sys.version; import numpy, onnxruntime'"
UNREACHABLE = 255
"""The code with which ssh says that it was ssh, and not the command, that failed."""
COPY_S = 3600.0


def profile_over_ssh(
    space: SearchSpace,
    device: str,
    host: str,
    path: Path,
    settings: ProfileSettings = ProfileSettings(),
    layers: int = LAYERS,
    threads: int = 1,
    cores: str = "",
    options: Sequence[str] = (),
    progress: bool = True,
) -> LatencyTable:
    """Measures layers and networks of a space on a board and writes the table to `path`.

    The bundle stays beside the table, and what is measured stays on the board, until all is there: after a lost
    connection or a kill the same call goes on where it was. Then both are removed.

    Args:
        space: its layers and some of its networks are measured.
        device: what the table is to be called.
        host: as ssh takes it: ``user@host``, a name from ~/.ssh/config, or ``ssh://user@host:port``.
        path: the parquet file to write.
        settings: how carefully, and how many networks.
        layers: as many are measured, the others interpolated.
        threads: that a call may use.
        cores: that the runner keeps to, such as 4,5; by default the fastest.
        options: for ssh, before the host.
        progress: shows bars on standard error.
    """
    check_name(device)
    if not re.fullmatch(r"[\w@.:/%\[\]][\w@.:/%\[\]-]*", host):
        raise DeviceError(f"'{host}' is no host for ssh; write user@host, or ssh://user@host:port")
    check_cores(cores, threads)
    board = _Board(host, tuple(options))
    board.check()
    bundle = waiting_bundle(space, device, path, settings, "onnx", layers, threads, progress)
    board.send(bundle)
    board.measure(bundle, cores, progress)
    with temporary_folder() as folder:
        answer = folder / "results.json"
        answer.write_text(board.ask(f"cat {board.home(bundle)}/results.json", "bring the results"), encoding="utf-8")
        table = import_results(space, read_results(answer, bundle.folder), path)
    board.ask(f"rm -rf {board.home(bundle)}", "clean up")
    discard(bundle)
    return table


@dataclass(frozen=True)
class _Board:
    host: str
    options: tuple[str, ...]

    def home(self, bundle: Bundle) -> str:
        """Where a bundle lies on the board, below the user's home."""
        return f".cache/vitnas/{bundle.manifest.id}"

    def ssh(self, command: str) -> list[str]:
        quiet = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15"]
        return ["ssh", *quiet, *self.options, "--", self.host, command]

    def check(self) -> None:
        """Refuses a board that does not answer or lacks what the runner needs."""
        done = call(self.ssh(NEEDED))
        if done.returncode == UNREACHABLE:
            raise self._unreachable(done.stderr)
        if done.returncode:
            why = last_line(done.stderr)
            raise DeviceError(
                f"{self.host} answers, but cannot measure: {why}; it needs Python 3.10 or newer with numpy and onnxruntime, for "
                "example `python3 -m pip install --user numpy onnxruntime`"
            )

    def ask(self, command: str, purpose: str) -> str:
        """What a command prints there."""
        done = call(self.ssh(command))
        if done.returncode == UNREACHABLE:
            raise self._unreachable(done.stderr)
        if done.returncode:
            raise DeviceError(
                f"{self.host} could not {purpose}: {last_line(done.stderr)}; look at ~/.cache/vitnas there"
            )
        return done.stdout

    def send(self, bundle: Bundle) -> None:
        """Copies the bundle in one archive, unless it is there already; half a copy never counts as one."""
        home = self.home(bundle)
        if call(self.ssh(f"test -f {home}/manifest.json")).returncode == 0:
            return
        with tempfile.TemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w:gz") as tar:
                for file in sorted(bundle.folder.iterdir()):
                    tar.add(file, arcname=file.name)
            archive.seek(0)
            unpack = (
                f"set -e; rm -rf {home} {home}.new; mkdir -p {home}.new; tar xzf - -C {home}.new; mv {home}.new {home}"
            )
            done = call(self.ssh(unpack), timeout_s=COPY_S, stdin=archive)
        if done.returncode == UNREACHABLE:
            raise self._unreachable(done.stderr)
        if done.returncode:
            raise DeviceError(
                f"{self.host} could not take the bundle: {last_line(done.stderr)}; make room in ~/.cache there"
            )

    def measure(self, bundle: Bundle, cores: str, progress: bool) -> None:
        """Runs the runner there and follows it; it ends when this end does."""
        command = f"cd {self.home(bundle)} && exec python3 -u runner.py . results.json"
        if cores:
            command += f" --cores {shlex.quote(cores)}"
        done = 0
        shown = Bar(f"on {self.host}", len(bundle.manifest.items), progress, passing=True)
        with tempfile.TemporaryFile() as notes, shown as bar:
            process = subprocess.Popen(
                self.ssh(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=notes, text=True
            )
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if match := re.match(r"(\d+)/\d+ ", line):
                        done = int(match[1])
                        bar.update(done=done)
                code = process.wait()
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
            notes.seek(0)
            said = notes.read().decode(errors="replace")
        if code == UNREACHABLE:
            raise self._unreachable(
                said, f" after {done} of {len(bundle.manifest.items)} networks; they are kept on the board"
            )
        if code:
            raise DeviceError(
                f"the runner on {self.host} ended with code {code}: {last_line(said)}; what it measured is kept there, so the same "
                "command goes on where it was"
            )

    def _unreachable(self, said: str, when: str = "") -> DeviceError:
        return DeviceError(
            f"{self.host} does not answer{when}: {last_line(said)}; check that `ssh -o BatchMode=yes {self.host} true` works "
            "without a password, then run the same command again"
        )
