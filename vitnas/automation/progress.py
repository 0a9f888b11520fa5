"""What a person sees while networks train, wherever they do: how much of the work is done, and when it will be."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vitnas.files import read_lines
from vitnas.progress import Bar
from vitnas.run import RunFolder

LOOK_S = 1.0


@contextmanager
def bar(what: str, until: Mapping[Path, int], step_s: Mapping[Path, float], show: bool) -> Iterator[None]:
    """A bar on standard error over trainings that go on meanwhile, by what their runs have written.

    Args:
        what: is being done.
        until: folder of a run -> the step that it is trained to.
        step_s: folder -> the cost of a step.
        show: nothing is drawn without.
    """
    if not show:
        yield
        return
    over = threading.Event()
    total = sum(until[path] * step_s[path] for path in until)
    with Bar(what, total, show, counted=False, passing=True) as drawn:

        def look() -> None:
            while not over.wait(LOOK_S):
                done = sum(min(steps_of(path), until[path]) * step_s[path] for path in until)
                drawn.update(done=done)

        watching = threading.Thread(target=look, daemon=True)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()


def steps_of(path: Path) -> int:
    """Steps that a run has told of."""
    try:
        with warnings.catch_warnings(action="ignore"):  # half a line is being written
            lines = read_lines(RunFolder(path).metrics_file)
    except OSError:
        return 0
    return max((line["step"] for line in lines if isinstance(line.get("step"), int)), default=0)
