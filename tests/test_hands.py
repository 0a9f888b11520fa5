"""What `benchmarks/robustness.py` looks with sees what it looks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LISTEN = """
import socket, sys
found = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
found.bind((sys.argv[1], 0))
found.listen()
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _beside_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are read from /proc")
@pytest.mark.parametrize(("address", "loopback"), [("127.0.0.1", True), ("0.0.0.0", False)])
def test_a_socket_of_a_child_is_seen(address: str, loopback: bool) -> None:
    from hands import sockets

    child = subprocess.Popen(
        [sys.executable, "-c", LISTEN, address],
        env={sockets.MARK: "mine"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    seen = [where for _, where in sockets._listening("mine")]
    child.communicate("")
    assert (seen, sockets._is_loopback(address)) == ([address], loopback)
    assert not list(sockets._listening("mine"))


def test_addresses_are_read_as_the_kernel_writes_them() -> None:
    from hands.sockets import _address, _is_loopback

    assert _address("0100007F") == "127.0.0.1"
    assert _address("00000000000000000000000001000000") == "::1"
    assert _is_loopback("::ffff:127.0.0.1")
    assert not _is_loopback("::")
    assert not _is_loopback("::ffff:0.0.0.0")


def test_a_foreign_file_that_changes_is_lost(tmp_path: Path) -> None:
    from hands.canaries import Canaries

    files = [tmp_path / name for name in ("kept", "gone", "emptied", "moved")]
    for file in files:
        file.write_text("a thesis")
    (tmp_path / "link").symlink_to("moved")
    canaries = Canaries.of(*files, tmp_path / "link")
    assert canaries.lost() == []
    files[1].unlink()
    files[2].write_text("")
    files[3].rename(tmp_path / "elsewhere")
    assert canaries.lost() == [str(tmp_path / name) for name in ("gone", "emptied", "moved", "link")]


@pytest.mark.heavy
def test_a_job_is_killed_with_what_it_started(tmp_path: Path) -> None:
    from hands.jobs import Job, side_by_side
    from problems.scene import Said

    def start_another() -> Said:
        subprocess.run([sys.executable, "-c", f"import time; time.sleep(1.5); open({str(tmp_path / 'late')!r}, 'w')"])
        return Said(0, "", "")

    def lane(number: int) -> bool | Said:
        if number:
            return Job(lambda: Said(7, "out", "err")).said()
        job = Job(start_another)
        ended = job.ended(0.7)
        job.kill()
        return ended

    assert side_by_side(lane) == [False, Said(7, "out", "err")]
    subprocess.run(["sleep", "2"], check=True)
    assert not (tmp_path / "late").exists()
