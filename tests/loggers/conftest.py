"""Loggers of tests in the table, and the packages of others kept within a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loggers.lines import add_lines
from vitnas.loggers import LoggedRun


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> None:
    add_lines(monkeypatch)


@pytest.fixture
def begun(tmp_path: Path) -> LoggedRun:
    """A run at its beginning."""
    (tmp_path / "run").mkdir()
    return LoggedRun("train", "small", tmp_path / "run", {"train.steps": 6, "train.sampler": "multi"})
