"""Programs that begin at once: copies of a process that has loaded torch and vitnas, and has done nothing yet.

For tests that start one again and again, to kill it. A fresh interpreter would load packages for seconds each time.
"""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.context import ForkServerProcess

_LOADED = ["vitnas.supernets.training.train", "vitnas.nas.run_search", "vitnas.nas.study"]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(_LOADED)


def start(program: str, *arguments: object) -> ForkServerProcess:
    """A process that runs Python code, with the arguments in `sys.argv`."""
    process = _CONTEXT.Process(target=_run, args=(program, [str(one) for one in arguments]))
    process.start()
    return process


def end(process: ForkServerProcess) -> int:
    """Kills what still runs; the exit code, which is the signal's number below 0 for what was killed."""
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _run(program: str, arguments: list[str]) -> None:
    sys.argv = ["-c", *arguments]
    exec(program, {"__name__": "__main__"})
