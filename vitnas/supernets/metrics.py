"""What training saw, line by line: metrics.jsonl, and TensorBoard events beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from vitnas.errors import CheckpointError
from vitnas.files import write_bytes
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
        self._file = run.metrics_file.open("a", encoding="utf-8")
        self._events = _open_events(run.path / "tensorboard", step) if tensorboard else None

    def write(self, step: int, values: Mapping[str, object]) -> None:
        try:
            self._file.write(json.dumps({"step": step, **values}) + "\n")
            self._file.flush()
        except OSError as error:
            raise CheckpointError(
                f"cannot write '{self._file.name}': {error.strerror}; free some space, then resume"
            ) from None
        if self._events is not None:
            for name, number in _numbers(values):
                self._events.add_scalar(name, number, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._events is not None:
            self._events.close()


def _forget_after(path: Path, step: int) -> Mapping[str, object]:
    """Keeps whole lines up to this step; gives the newest."""
    if not path.exists():
        return {}
    kept = []
    last: Mapping[str, object] = {}
    for line in path.read_bytes().splitlines():
        try:
            if (values := json.loads(line))["step"] <= step:
                kept.append(line + b"\n")
                last = values
        except (ValueError, KeyError, TypeError):
            continue  # half a line of a killed process
    write_bytes(path, b"".join(kept))
    return last


def _open_events(folder: Path, step: int) -> SummaryWriter:
    from torch.utils.tensorboard import SummaryWriter

    writer: SummaryWriter = SummaryWriter(str(folder), purge_step=step + 1)
    return writer


def _numbers(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            yield prefix + name, float(value)
