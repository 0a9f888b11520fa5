"""What training saw, line by line: metrics.jsonl, and TensorBoard events beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from vitnas.extras import installed
from vitnas.files import open_append, read_lines, refuse_link, sealed_line, write_bytes, writing
from vitnas.run import RunFolder

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class MetricsLog:
    """Appends lines. Those beyond the step that a run resumes from are dropped, for they will come again.

    Attributes:
        judged: whether the newest line before tells how good archs were at this step.
    """

    def __init__(self, run: RunFolder, step: int, tensorboard: bool) -> None:
        last = _forget_after(run.metrics_file, step)
        self.judged = last.get("step") == step and "smallest" in last
        self._path, self._file = run.metrics_file, open_append(run.metrics_file)
        self._events = (
            _open_events(run.path / "tensorboard", step) if tensorboard and installed("tensorboard") else None
        )

    def write(self, step: int, values: Mapping[str, object]) -> None:
        with writing(self._path, "the run goes on from its last checkpoint with --resume"):
            self._file.write(sealed_line({"step": step, **values}))
            self._file.flush()
            if self._events is not None:
                for name, number in _numbers(values):
                    self._events.add_scalar(name, number, step)

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
        if self._events is not None:
            self._events.close()


def _forget_after(path: Path, step: int) -> Mapping[str, object]:
    """Keeps whole lines up to this step; gives the newest."""
    if not path.exists():
        return {}
    lines = [line for line in read_lines(path) if isinstance(line.get("step"), int) and line["step"] <= step]
    write_bytes(path, b"".join(map(sealed_line, lines)))
    return lines[-1] if lines else {}


def _open_events(folder: Path, step: int) -> SummaryWriter:
    from torch.utils.tensorboard import SummaryWriter

    with writing(folder):
        refuse_link(folder)
    writer: SummaryWriter = SummaryWriter(str(folder), purge_step=step + 1)
    return writer


def _numbers(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            yield prefix + name, float(value)
