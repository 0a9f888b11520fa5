"""What a search shows and leaves for people: a bar, a table of all evaluations, and what loggers are told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime
from pathlib import Path

from vitnas.files import open_append, write_parquet, writing
from vitnas.loggers import LoggedRun
from vitnas.loggers.opened import Loggers
from vitnas.loggers.plain import parameters_of
from vitnas.nas.problem import Problem
from vitnas.nas.settings import SearchSettings
from vitnas.nas.study import STOPPED, Evaluation
from vitnas.progress import Bar


def write_evaluations(
    path: Path, evaluations: Sequence[Evaluation], figures: Sequence[Mapping[str, float]], best: Set[str]
) -> None:
    """One row an evaluated arch, in the order of asking: id, arch, every figure, seconds, error, on_front.

    Where some were stopped there is a column that says what was known of them then.

    Args:
        path: the parquet file.
        evaluations: of the search.
        figures: all that is known of each, nothing where the evaluation failed.
        best: ids of the archs on the front.
    """
    import pyarrow as pa

    stopped = [None if e.stopped is None else str(e.stopped) for e in evaluations]
    names = list(dict.fromkeys(name for one in figures for name in one))
    columns = {
        "arch_id": pa.array([e.arch.id for e in evaluations], pa.string()),
        "arch": pa.array([json.dumps(e.arch.to_json()) for e in evaluations], pa.string()),
        **{name: pa.array([one.get(name) for one in figures], pa.float64()) for name in names},
        "seconds": pa.array([e.seconds for e in evaluations], pa.float64()),
        "error": pa.array([e.error for e in evaluations], pa.string()),
        **({STOPPED: pa.array(stopped, pa.string())} if any(stopped) else {}),
        "on_front": pa.array([e.arch.id in best for e in evaluations], pa.bool_()),
    }
    write_parquet(pa.table(columns), path)


EVALUATED = "evaluated"


class Log:
    """Lines with the time in a file, one for each thing worth knowing later."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, text: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with writing(self._path, "the search goes on from what it has evaluated"), open_append(self._path) as file:
            file.write(f"{now} {text}\n".encode())


def search_loggers(problem: Problem, settings: SearchSettings, folder: Path) -> Loggers:
    """Opens them; a search that goes on in its folder goes on in the same run of a logger."""
    told = {"space": problem.space.name, **settings.deciding(), "origin": problem.origin}
    run = LoggedRun("search", folder.resolve().name, folder, dict(parameters_of(told)))
    return Loggers(settings.loggers, run, folder / "loggers.json")


class EvaluationBar(Bar):
    """A bar of evaluations on stderr, or nothing."""

    def __init__(self, shown: bool, total: int) -> None:
        super().__init__(EVALUATED, total, shown)

    def say(self, text: str) -> None:
        self.update(what=text)
