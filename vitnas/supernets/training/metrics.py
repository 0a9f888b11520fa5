"""What training saw, line by line: metrics.jsonl, and the loggers that were asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from vitnas.extras import installed
from vitnas.files import open_append, read_lines, sealed_line, write_bytes, writing
from vitnas.loggers import LoggedRun
from vitnas.loggers.opened import Loggers
from vitnas.loggers.plain import parameters_of
from vitnas.run import RunFolder


class MetricsLog:
    """Appends lines. Those beyond the step that a run resumes from are dropped, for they will come again.

    Attributes:
        judged: whether the newest line before tells how good archs were at this step.
        places: where the loggers write, a line each.
    """

    def __init__(self, run: RunFolder, step: int, loggers: Sequence[str] = (), num_steps: int | None = None) -> None:
        """Opens the file and the loggers.

        Args:
            run: what is trained.
            step: after which it goes on.
            loggers: their names.
            num_steps: of the whole training, which a logger is told to have ended there.
        """
        last = _forget_after(run.metrics_file, step)
        self.judged = last.get("step") == step and "smallest" in last
        self._step, self._num_steps = step, num_steps
        self._path, self._file = run.metrics_file, open_append(run.metrics_file)
        parameters = dict(parameters_of(run.config)) if loggers else {}
        told = LoggedRun("train", run.path.resolve().name, run.path, parameters, step)
        self._loggers = Loggers(loggers, told, run.path / "loggers.json")
        self.places = self._loggers.places

    def write(self, step: int, values: Mapping[str, object]) -> None:
        with writing(self._path, "the run goes on from its last checkpoint with --resume"):
            self._file.write(sealed_line({"step": step, **values}))
            self._file.flush()
        self._step = step
        self._loggers.numbers(step, values)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError:  # a line that could not be written, which was told then
            if error is None:
                raise
        self._loggers.close(finished=error is None and self._step == self._num_steps)


def asked_or_installed(loggers: Sequence[str] | None) -> Sequence[str]:
    """The loggers of a training: TensorBoard where nothing is said and it is installed."""
    if loggers is None:
        return ("tensorboard",) if installed("tensorboard") else ()
    return loggers


def _forget_after(path: Path, step: int) -> Mapping[str, object]:
    """Keeps whole lines up to this step; gives the newest."""
    if not path.exists():
        return {}
    lines = [line for line in read_lines(path) if isinstance(line.get("step"), int) and line["step"] <= step]
    write_bytes(path, b"".join(map(sealed_line, lines)))
    return lines[-1] if lines else {}


def finite(value: float) -> float | None:
    """The number if JSON can say it."""
    return value if math.isfinite(value) else None
