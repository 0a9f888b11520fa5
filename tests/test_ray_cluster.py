"""A Ray cluster of our own: nobody else reaches it, and nothing of it stays, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.problems.listening import listening, off_loopback
from vitnas.interruption import SIGNALS

pytestmark = pytest.mark.ray

PROGRAM = """
import os, sys, time
from vitnas import interruption
from vitnas.interruption import Stopped
from vitnas.nas.execution.ray import RayExecutor

def work(item):
    time.sleep(item)
    return os.getpid()

interruption.watch()
try:
    with RayExecutor(2) as executor:
        list(executor.map(work, [0.1, 0.1]))
        print("at work", flush=True)
        list(executor.map(work, [60.0, 60.0]))
except Stopped as stop:
    print(stop, file=sys.stderr)
    raise SystemExit(stop.code)
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder of a path short enough for Ray's sockets."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="v", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def start(temporary: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
        preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in SIGNALS],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n", process.communicate()[1]
    return process


def of_session(session: int) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def wait_for_end_of(session: int) -> list[str]:
    until = time.monotonic() + 20
    while (left := of_session(session)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nobody_else_reaches_it_and_it_ends_with_a_signal(number: int, temporary: Path) -> None:
    process = start(temporary)
    places = listening(process.pid)
    assert len(places) >= 6  # the tables, the node, the object store, two workers, this process
    assert off_loopback(places) == set()
    (folder,) = temporary.glob("vitnas-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.glob("*/session_*/sockets/raylet"))
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, ""), err
    assert err.startswith("stopped by SIG")
    assert err.count("\n") == 1  # no stack of Python or C++
    assert wait_for_end_of(process.pid) == []
    assert list(temporary.glob("vitnas-*")) == []


@pytest.mark.slow
def test_what_a_killed_one_leaves_goes_with_the_next(temporary: Path) -> None:
    process = start(temporary)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert wait_for_end_of(process.pid) == []
    assert len(list(temporary.glob("vitnas-*"))) == 1
    code = "from vitnas.files.temporary import temporary_folder\nwith temporary_folder() as f: print(f)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(temporary)}, check=True)
    assert list(temporary.glob("vitnas-*")) == []


TRAIN = "[train]\nsteps = 4000\nbatch_size = 16\nthreads = 2\nloggers = []\nlog_every = 1\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_of_two_workers_listens_on_loopback_and_saves_when_it_is_stopped(
    tmp_path: Path, temporary: Path
) -> None:
    (tmp_path / "long.toml").write_text(TRAIN)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "vitnas.cli",
            "train-supernet",
            "--config",
            "long.toml",
            "--out",
            "run",
            "--workers",
            "2",
        ],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    )
    metrics = tmp_path / "run/metrics.jsonl"
    places: set[tuple[str, int]] = set()
    while not metrics.exists() or len(metrics.read_bytes().splitlines()) < 5:
        assert process.poll() is None, process.communicate()[1]
        places |= listening(process.pid)
        time.sleep(0.2)
    assert len(places) >= 8  # gloo's of both workers among them
    assert off_loopback(places) == set()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 143, err
    (newest,) = (tmp_path / "run/checkpoints").iterdir()
    step = json.loads((newest / "state.json").read_text())["step"]
    assert err == f"stopped by SIGTERM: step {step} is saved; go on with `vitnas train-supernet --resume run`\n"
    assert wait_for_end_of(process.pid) == []
    assert list(temporary.glob("vitnas-*")) == []
    assert not (tmp_path / "run/.ray").exists()
