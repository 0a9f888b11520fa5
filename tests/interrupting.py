"""Commands that get a signal while they work, each in a copy of one process, which spares the imports."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from vitnas import interruption
from vitnas.interruption import SIGNALS

WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it left."""

    code: int
    err: str
    seconds: float
    temporary: list[str]
    processes: list[int]


def interrupt(command: str, folder: Path, number: int | None = None, after_s: float = 0.0) -> Ended:
    """Gives a command in a folder, and a signal to its process after a while; without one it runs to its end."""
    process = _forking()
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps([command, str(folder), number, after_s]), file=process.stdin, flush=True)
    try:
        return Ended(**json.loads(process.stdout.readline()))
    except BaseException:  # a test that ran out of time: the next one must not read its answer
        process.kill()
        _forking.cache_clear()
        raise


@functools.cache
def _forking() -> subprocess.Popen[str]:
    """The process that commands are copies of: one without threads, and without the channel of a test runner."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.interrupting"],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.communicate)  # ends it, by the end of its input
    return process


def _serve() -> None:
    import vitnas.nas.run_search
    import vitnas.supernets.training.train  # noqa: F401  # so that each copy of this process finds them there

    own = os.getpid()
    for line in sys.stdin:
        command, folder, number, after_s = json.loads(line)
        try:
            ended = _interrupt(command, Path(folder), number, after_s)
        finally:
            if os.getpid() != own:  # a signal came between a command and its end
                os._exit(70)
        print(json.dumps(dataclasses.asdict(ended)), flush=True)


def _interrupt(command: str, folder: Path, number: int | None, after_s: float) -> Ended:
    temporary = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    notes = folder.parent / f"{folder.name}.err"
    begun = time.monotonic()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    pid = os.fork()
    if pid == 0:
        _become(command, folder, temporary, notes)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    if number is not None:
        while (
            time.monotonic() < begun + after_s
            and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        ):
            time.sleep(0.005)
        os.kill(pid, number)
    _, status = os.waitpid(pid, 0)
    seconds = time.monotonic() - begun
    until = time.monotonic() + 5  # the kernel ends the children of those that died
    while (left := _of_session(pid)) and time.monotonic() < until:
        time.sleep(0.05)
    found = [path.name for path in temporary.iterdir() if path.name.startswith(("vitnas", "ray", "tmp"))]
    shutil.rmtree(temporary, ignore_errors=True)
    return Ended(os.waitstatus_to_exitcode(status), notes.read_text(errors="replace"), seconds, found, left)


def _become(command: str, folder: Path, temporary: Path, notes: Path) -> NoReturn:
    """The child: a session of its own, with the command's own standard error to the last byte of C++."""
    from vitnas import cli

    code = 1
    try:
        os.setsid()
        for number, name, mode in (0, os.devnull, os.O_RDONLY), (1, os.devnull, os.O_WRONLY), (2, notes, WRITE):
            os.dup2(os.open(name, mode), number)
        sys.stderr, sys.stdout = os.fdopen(2, "w", closefd=False), os.fdopen(1, "w", closefd=False)
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        interruption.watch()
        os.chdir(folder)
        tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
        sys.argv = ["vitnas", *shlex.split(command)]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # as the program that meets it outside of every command
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        sys.stderr.flush()
        os._exit(code)


def _of_session(session: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(place.name))
    return found


if __name__ == "__main__":
    _serve()
