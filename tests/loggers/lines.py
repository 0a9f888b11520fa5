"""A logger of one file, for tests of what loggers are told; it forgets nothing, and fails where it is asked to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vitnas.loggers import LOGGERS, LoggedRun, Logger


class Lines(Logger):
    """A JSON line for everything it is told."""

    fails_at = 10**9

    def __init__(self, run: LoggedRun) -> None:
        self._file = run.folder / "lines.jsonl"
        self.place = f"lines in {self._file}"
        self.id = run.id or f"{run.kind}-{run.name}"
        self._tell(opened=self.id, again=run.id is not None, after=run.step, parameters=dict(run.parameters))

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        if step >= self.fails_at:
            raise ConnectionError("the server of https://me:secret@lines.example is gone\nand a page of detail")
        self._tell(step=step, **values)

    def artefact(self, path: Path) -> None:
        self._tell(artefact=path.name, there=path.exists())

    def close(self, finished: bool) -> None:
        self._tell(finished=finished)

    def _tell(self, **what: Any) -> None:
        self._file.parent.mkdir(exist_ok=True)
        with self._file.open("a") as file:
            file.write(json.dumps(what) + "\n")


class Failing(Lines):
    fails_at = 3


class Closed(Lines):
    def __init__(self, run: LoggedRun) -> None:
        raise ConnectionError("nobody at https://me:secret@lines.example")


def add_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has them in the table, as a package that adds them would."""
    own = {name: f"tests.loggers.lines:{name.title()}" for name in ("lines", "failing", "closed")}
    monkeypatch.setattr(LOGGERS, "_plugins", own)


def told(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
