"""Against a real sshd on loopback, whose home is a folder of the test."""

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.latency_lut.remote.conftest import BRIEF, SPACE
from vitnas.errors import DeviceError
from vitnas.latency_lut.remote import ssh
from vitnas.latency_lut.remote.ssh import profile_over_ssh
from vitnas.latency_lut.table import LatencyTable

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
pytestmark = pytest.mark.skipif(
    not (SSHD and shutil.which("ssh") and shutil.which("ssh-keygen")), reason="needs OpenSSH's sshd, ssh and ssh-keygen"
)


PYTHON = f'#!/bin/sh\nexec {sys.executable} "$@"\n'


class Board:
    """A server that runs commands in a home of its own, with a PATH of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.programs = folder / "programs"
        self.home.mkdir()
        self.programs.mkdir()
        self.install(PYTHON)
        for name in ("host", "client"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        login = folder / "login.sh"
        login.write_text(
            f"#!/bin/sh\ncd {self.home} && export HOME={self.home} PATH={self.programs}:/usr/bin:/bin OMP_NUM_THREADS=1\n"
            'exec sh -c "$SSH_ORIGINAL_COMMAND"\n'
        )
        login.chmod(0o755)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/client.pub\n"
            f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nForceCommand {login}\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=self.log)
        self.host = f"{getpass.getuser()}@127.0.0.1"
        self.options = ["-F", "/dev/null", "-i", str(folder / "client"), "-p", str(self.port)]
        self.options += ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder}/known"]
        deadline = time.monotonic() + 20
        while subprocess.run(
            ["ssh", "-o", "BatchMode=yes", *self.options, self.host, "true"], capture_output=True
        ).returncode:
            assert self.process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)

    def install(self, program):
        """Makes this script the board's python3."""
        (self.programs / "python3").write_text(program)
        (self.programs / "python3").chmod(0o755)

    def cut(self):
        """Ends all connections at once, as when a cable is pulled."""
        for process in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(process.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == self.process.pid:
                os.kill(int(process.parent.name), signal.SIGKILL)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def profile(self, path, settings=BRIEF, **more):
        return profile_over_ssh(SPACE, "board", self.host, path, settings, options=self.options, progress=False, **more)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    board = Board(tmp_path_factory.mktemp("board"))
    yield board
    board.close()


@pytest.mark.slow
def test_a_board_is_measured_and_left_clean(board, tmp_path):
    table = board.profile(tmp_path / "board.parquet")
    assert table.rows == LatencyTable.read(tmp_path / "board.parquet").rows
    assert table.provenances == {"measured": len(SPACE.lowering.specs)}
    assert table.header.fingerprint["runner"] == "vitnas runner 1"
    assert table.header.fidelity.networks == 1
    assert list((board.home / ".cache" / "vitnas").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["board.parquet"]


@pytest.mark.slow
def test_a_lost_connection_goes_on_where_it_was(board, tmp_path, monkeypatch):
    slower = replace(BRIEF, block_ms=10, blocks=10, group=3)
    measured = {}

    def cut_when_some_are_measured():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for partial in board.home.glob(".cache/vitnas/*/results.json.partial.jsonl"):
                lines = partial.read_bytes().split(b"\n")[1:-1]
                if len(lines) >= 4:
                    board.cut()
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=cut_when_some_are_measured)
    thread.start()
    with pytest.raises(
        DeviceError, match=r"does not answer after \d+ of 17 networks; they are kept on the board.*run the same"
    ):
        board.profile(tmp_path / "board.parquet", slower)
    thread.join()
    assert not (tmp_path / "board.parquet").exists()
    time.sleep(0.5)  # the runner notices that nobody listens
    (partial,) = board.home.glob(".cache/vitnas/*/results.json.partial.jsonl")
    kept = [json.loads(line) for line in partial.read_bytes().split(b"\n")[1:-1]]

    def read(path, bundle):
        measured.update({row["id"]: row for row in json.loads(path.read_text())["items"]})
        return original(path, bundle)

    original = ssh.read_results
    monkeypatch.setattr(ssh, "read_results", read)
    board.profile(tmp_path / "board.parquet", slower)
    assert 4 <= len(kept) < len(measured) == 17
    assert [measured[row["id"]] for row in kept] == kept


def test_a_board_that_does_not_answer(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DeviceError, match="does not answer: .*refused.*; check that `ssh -o BatchMode=yes"):
        profile_over_ssh(
            SPACE, "board", "nobody@127.0.0.1", tmp_path / "t.parquet", BRIEF,
            options=["-F", "/dev/null", "-p", str(port)], progress=False,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("#!/bin/sh\nexit 127\n", "answers, but cannot measure"),
        (
            "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'onnxruntime'\" >&2\nexit 1\n",
            "No module named 'onnxruntime'",
        ),
    ],
)
def test_a_board_that_lacks_something(board, tmp_path, program, message):
    board.install(program)
    try:
        with pytest.raises(DeviceError, match=f"{message}.*it needs Python 3.10 or newer with numpy and onnxruntime"):
            board.profile(tmp_path / "t.parquet")
    finally:
        board.install(PYTHON)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["-oProxyCommand=touch /tmp/x", "a b", "a;b", "$(id)", ""])
def test_a_host_is_never_an_option_or_a_command(tmp_path, host):
    with pytest.raises(DeviceError, match="is no host for ssh"):
        profile_over_ssh(SPACE, "board", host, tmp_path / "t.parquet", BRIEF)


def test_cores_are_never_a_command(board, tmp_path):
    with pytest.raises(DeviceError, match="cores are numbers with commas"):
        board.profile(tmp_path / "t.parquet", cores="1; rm -rf x")
