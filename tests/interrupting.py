"""Commands that get a signal while they work, each in a copy of this process, which spares the imports."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


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
    temporary = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    notes = folder.parent / f"{folder.name}.err"
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _become(command, folder, temporary, notes)
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
    os.system(f"rm -rf {temporary}")
    return Ended(os.waitstatus_to_exitcode(status), notes.read_text(errors="replace"), seconds, found, left)


def _become(command: str, folder: Path, temporary: Path, notes: Path) -> None:
    """The child: a session of its own, with the command's own standard error to the last byte of C++."""
    from vitnas import cli, interruption

    code = 1
    try:
        os.setsid()
        os.dup2(os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stderr, sys.stdout = os.fdopen(2, "w", closefd=False), os.fdopen(1, "w", closefd=False)
        for each in interruption.SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        interruption.watch()
        os.chdir(folder)
        tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
        sys.argv = ["vitnas", *shlex.split(command)]
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # as the program that meets it outside of every command
    finally:
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
