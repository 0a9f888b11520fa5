"""A command in a copy of this process, which spares the imports, and several of them at a time."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from problems.scene import Said, run_here

T = TypeVar("T")
LANES = 2
"""So many commands run at a time."""


class Job:
    """Work in a copy of this process, in a session of its own, so that it can be killed with all that it started."""

    def __init__(self, work: Callable[[], Said]) -> None:
        handle, name = tempfile.mkstemp(suffix=".json")
        os.close(handle)
        self._file = Path(name)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            said = work()
            self._file.write_text(json.dumps([said.code, said.out, said.err]))
            os._exit(0)

    @classmethod
    def of(cls, command: str, folder: Path) -> Job:
        return cls(lambda: run_here(command, folder))

    def ended(self, within_s: float) -> bool:
        """Whether it ended by itself within some seconds."""
        until = time.monotonic() + within_s
        while True:
            pid, _ = os.waitpid(self.pid, os.WNOHANG)
            if pid or time.monotonic() > until:
                return pid != 0
            time.sleep(0.002)

    def kill(self, by: signal.Signals = signal.SIGKILL) -> None:
        for kill in (os.killpg, os.kill):  # it may not have come to its session yet
            with suppress(ProcessLookupError):
                kill(self.pid, by)
        os.waitpid(self.pid, 0)
        self._file.unlink(missing_ok=True)

    def said(self, within_s: float = 300.0) -> Said:
        """What it left when it ended."""
        if not self.ended(within_s):
            self.kill()
            return Said(None, "", f"no answer within {within_s:g} s")
        text = self._file.read_text()
        self._file.unlink()
        return Said(*json.loads(text)) if text else Said(None, "", "the process died")


def side_by_side(work: Callable[[int], T]) -> list[T]:
    """What a function gives for each lane, each in a copy of this process."""
    pipes = []
    for lane in range(LANES):
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(read)
            with os.fdopen(write, "wb") as pipe:
                try:
                    pickle.dump(work(lane), pipe)
                except BaseException as error:
                    print(f"{type(error).__name__}: {error}", file=sys.stderr)
                    pipe.flush()
                    os._exit(1)
            os._exit(0)
        os.close(write)
        pipes.append(read)
    found = []
    for read in pipes:
        with os.fdopen(read, "rb") as pipe:
            found.append(pickle.load(pipe))
        os.wait()
    return found


def show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
