"""Signals: a command ends with one line that tells how to go on, leaves nothing behind, and is taken up again."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmarks.problems.scene import SPACE, make_scene
from tests.interrupting import Ended, interrupt
from vitnas import interruption
from vitnas.errors import DataError
from vitnas.interruption import SIGNALS, Stopped, going_on

pytestmark = pytest.mark.timeout(900)  # the scene is made by twenty commands

PROGRAM = """
import ctypes, os, sys, time
from vitnas import interruption
from vitnas.interruption import Stopped, asked, breakable, going_on, postponed

def work():
    print("begun", flush=True)
    {work}

interruption.watch()
try:
    with going_on("outer"), going_on("inner"):
        work()
except Stopped as stop:
    print(stop, flush=True)
    raise SystemExit(stop.code)
"""


def start(work: str) -> subprocess.Popen[str]:
    """A program that has begun its work."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(work=work.replace("\n", "\n    "))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: [
            signal.signal(number, signal.SIG_DFL) for number in SIGNALS
        ],  # a job in the background ignores some
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_a_signal_stops_the_work_where_it_is(number: int) -> None:
    process = start("time.sleep(60)")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (out, err) == (f"stopped by {signal.Signals(number).name}: inner\n", "")
    assert process.returncode == 128 + number


@pytest.mark.parametrize("module", ["vitnas", "vitnas.cli"])
def test_a_signal_while_the_program_is_loaded_is_told_as_well(module: str) -> None:
    code = (
        "import os, runpy, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"sys.argv = ['vitnas', 'spaces']\nrunpy.run_module({module!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert re.fullmatch(r"stopped by SIGINT: .*the same command begins anew\n", done.stderr)


def test_what_is_postponed_ends_first() -> None:
    process = start(
        "with postponed(lambda: print('asked', flush=True)):\n"
        "    print('ready', flush=True)\n"
        "    while not asked(): time.sleep(0.01)\n"
        "    time.sleep(0.2)\n"
        "    try:\n"
        "        with breakable(): print('not begun')\n"
        "    except Stopped:\n"
        "        print('broken off')\n"
        "    print('done')\n"
        "print('never')"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGINT)  # so soon after that it is one event
    out, err = process.communicate(timeout=20)
    assert out.splitlines() == ["broken off", "done", "stopped by SIGTERM: inner"], err
    assert process.returncode == 143


STUCK = "lock = ctypes.create_string_buffer(256)\nfor _ in range(2): ctypes.CDLL(None).pthread_mutex_lock(lock)"


DROPPED = """
import weakref
class Thing: pass
thing = Thing()
link = weakref.ref(thing, lambda _: os.kill(os.getpid(), 15))
{wrap}
    del thing
    for _ in range(200): time.sleep(0.02)
    print("went on", flush=True)
"""


@pytest.mark.parametrize("wrap", ["if True:", "with postponed():"])
def test_a_signal_where_python_drops_errors_is_told_all_the_same(wrap: str) -> None:
    """It comes within a callback for an object that goes, whose errors Python only prints."""
    process = start(DROPPED.format(wrap=wrap).strip())
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped by SIGTERM: inner" in out
    assert ("went on" in out) == ("postponed" in wrap)
    assert err == ""


@pytest.mark.parametrize("work", ["with postponed(): time.sleep(60)", STUCK], ids=["postponed", "waiting in C"])
def test_a_second_signal_ends_at_once(work: str) -> None:
    process = start(work)
    time.sleep(0.5)  # until it is in there
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    process.communicate()


def test_what_was_ignored_stays_ignored() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(work="time.sleep(1)")],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # what nohup does
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=20) == 0
    process.stdout.close()


def test_errors_are_no_signals_and_signals_no_errors() -> None:
    assert not issubclass(Stopped, Exception)
    assert "the same command begins anew" in str(Stopped(signal.SIGTERM))


# -- commands ----------------------------------------------------------------------------------

SETTINGS = "[train]\nsteps = 40\nbatch_size = 16\ncheckpoint_every = 20\nevaluate_every = 20\nloggers = []\n"
PROFILING = (
    "[profile]\nblock_ms = 0.5\nblocks = 3\nwarmup_ms = 1.0\nmax_warmup_ms = 5.0\nfit_networks = 2\ntest_networks = 2\n"
    "max_passes = 1\n"
)
RUN = "runs/tiny"
COMMANDS = {
    "train": "train-supernet --config long.toml --space tiny.toml --data digits --out runs/new --threads 1",
    "report": f"report {RUN}",
    "search": f"search --config settings.toml --run {RUN} --device phone --out found",
    "export": f"export --run {RUN} --arch arch.json --format torch,onnx --out new",
    "predictor": f"predictor fit --run {RUN} --samples 14 --predictor ridge --out learnt",
    "profile": "profile --config long.toml --space tiny.toml --device cpu --out new.parquet",
    "teach": f"teach --teacher run:{RUN} --data digits --epochs 2 --out answers",
    "grow": "grow --space tiny.toml --params 90k",
}
WORDS = {
    "train": r"(step \d+ is saved|no step is saved yet); go on with `vitnas train-supernet --resume runs/new`",
    "search": r"the archs evaluated so far are kept; the same command goes on",
    "predictor": r"the archs evaluated so far are kept; the same command goes on",
    "profile": r"what was measured is kept beside 'new.parquet'; the same command goes on",
    "teach": r"the answers so far are kept in 'answers'; the same command goes on",
}
ANEW = "nothing half-written is left; the same command begins anew"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_scene(tmp_path_factory.mktemp("signals") / "scene")
    (folder / "long.toml").write_text(SETTINGS + PROFILING)
    return folder


def check(name: str, number: int, ended: Ended) -> None:
    """The command had come to its end, or it tells in its last line what stopped it."""
    assert "Traceback" not in ended.err, ended.err
    assert "***" not in ended.err, ended.err  # as the handlers of C++ begin
    assert ended.temporary == [], ended
    assert ended.processes == []
    if ended.code:
        last = ended.err.splitlines()[-1]
        assert ended.code == 128 + number, ended.err
        assert re.fullmatch(rf"stopped by {signal.Signals(number).name}: ({WORDS.get(name, ANEW)}|{ANEW})", last), (
            ended.err
        )


def stop_at_random(name: str, scene: Path, folder: Path) -> None:
    shutil.copytree(scene, folder)
    whole = interrupt(COMMANDS[name], folder)
    assert whole.code == 0, whole.err
    for number in (signal.SIGTERM, signal.SIGINT):
        latest = 0.9 * whole.seconds
        for _ in range(8):  # the machine may be faster now, and the command at its end before the signal comes
            shutil.rmtree(folder)
            shutil.copytree(scene, folder)
            ended = interrupt(COMMANDS[name], folder, number, random.uniform(0.1, 1.0) * latest)
            check(name, number, ended)
            if ended.code:
                break
            latest /= 2
        assert ended.code == 128 + number
    if name == "train":
        if not (folder / "runs/new/config.toml").exists():
            return
        again = "train-supernet --resume runs/new"
    else:
        again = COMMANDS[name] + (" --force" if name == "export" and (folder / "new").exists() else "")
    assert (rest := interrupt(again, folder)).code == 0, rest.err


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stopped_anywhere_tells_how_to_go_on(name: str, scene: Path, tmp_path: Path) -> None:
    stop_at_random(name, scene, tmp_path / "copy")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_training_stopped_finishes_its_step_and_ends_with_the_same_bits(number: int, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "long.toml").write_text(SETTINGS)
    (folder / "tiny.toml").write_text(SPACE)
    assert interrupt(COMMANDS["train"].replace("runs/new", "runs/whole"), folder).code == 0
    steps = []
    for command in (COMMANDS["train"], "train-supernet --resume runs/new"):
        ended = interrupt_when_training(command, folder, number)
        check("train", number, ended)
        steps.append(sorted(path.name for path in (folder / "runs/new/checkpoints").iterdir()))
    assert steps[0] != steps[1]
    assert interrupt("train-supernet --resume runs/new", folder).code == 0
    new, whole = (
        {f.name: f.read_bytes() for f in (folder / f"runs/{name}/checkpoints/step-00000040").iterdir()}
        for name in ("new", "whole")
    )
    assert new == whole
    lines = [
        re.sub(r'"images_per_s": [\d.]+|"seal": "[^"]+"', "", (folder / f"runs/{name}/metrics.jsonl").read_text())
        for name in ("new", "whole")
    ]
    assert lines[0] == lines[1]


def interrupt_when_training(command: str, folder: Path, number: int) -> Ended:
    """Gives the signal after a line of metrics more than there were."""
    metrics = folder / "runs/new/metrics.jsonl"
    before = metrics.read_bytes().count(b"\n") if metrics.exists() else 0

    def signal_the_one_that_works() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not (metrics.exists() and metrics.read_bytes().count(b"\n") > before + 1):
            time.sleep(0.002)
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # processes end while one looks at them
                if str(metrics.resolve()) in {os.readlink(file) for file in (place / "fd").iterdir()}:
                    os.kill(int(place.name), number)

    watching = threading.Thread(target=signal_the_one_that_works)
    watching.start()
    ended = interrupt(command, folder)
    watching.join()
    return ended


def test_an_error_that_c_code_makes_of_a_signal_is_that_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    own = SystemError("AST constructor recursion depth mismatch")
    assert interruption.behind(own) is None
    monkeypatch.setattr(interruption._state, "asked", signal.SIGTERM)
    with pytest.raises(Stopped, match=r"stopped by SIGTERM: half is kept"), going_on("half is kept"):
        raise own
    with pytest.raises(DataError), going_on("half is kept"):  # such as a checkpoint that cannot be written
        raise DataError("the disk is full")
