"""What a search shows and leaves for people: a bar, and a table of all evaluations."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from vitnas.files import write_bytes
from vitnas.nas.pareto import ParetoFront
from vitnas.nas.study import Evaluation


def write_evaluations(path: Path, evaluations: Sequence[Evaluation], front: ParetoFront) -> None:
    """One row an evaluated arch, in the order of asking: id, arch, every metric, seconds, error, on_front."""
    import pyarrow as pa
    from pyarrow import parquet

    best = {point.arch.id for point in front.points}
    names = list(dict.fromkeys(name for e in evaluations for name in e.metrics))
    columns = {
        "arch_id": pa.array([e.arch.id for e in evaluations], pa.string()),
        "arch": pa.array([json.dumps(e.arch.to_json()) for e in evaluations], pa.string()),
        **{name: pa.array([e.metrics.get(name) for e in evaluations], pa.float64()) for name in names},
        "seconds": pa.array([e.seconds for e in evaluations], pa.float64()),
        "error": pa.array([e.error for e in evaluations], pa.string()),
        "on_front": pa.array([e.arch.id in best for e in evaluations], pa.bool_()),
    }
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    write_bytes(path, file.getvalue())


class Progress:
    """A bar of evaluations on stderr, or nothing."""

    def __init__(self, shown: bool, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("evaluated"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = RichProgress(*columns, console=Console(stderr=True), disable=not shown)
        self._task = self._bar.add_task("evaluated", total=total)

    def advance(self, n: int) -> None:
        self._bar.advance(self._task, n)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
