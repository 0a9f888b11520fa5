"""What a person sees while networks train, wherever they do: how much of the work is done, and when it will be."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from vitnas.files import read_lines
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
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    over = threading.Event()
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task("", total=sum(until[path] * step_s[path] for path in until))

        def look() -> None:
            while not over.wait(LOOK_S):
                done = sum(min(steps_of(path), until[path]) * step_s[path] for path in until)
                drawn.update(task, completed=done)

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
