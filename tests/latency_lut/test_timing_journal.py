"""Timings so far: those on other terms wait until their terms are there again."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.timing_journal import PartialTimings
from vitnas.search_spaces import Blueprint

OLD, NEW = {"browser": "Chrome 141"}, {"browser": "Chrome 142"}
EMPTY = Blueprint((), ())


def timing(ms: float) -> Timing:
    return Timing(ms, 0.0, ms, ms, 1, 1.0)


def test_timings_of_another_browser_are_kept_and_used_there_again(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet.partial.jsonl"
    PartialTimings(path, OLD).add(EMPTY, timing(1.0))
    with pytest.warns(UserWarning, match="has 1 timings of another machine, browser or runtime"):
        newer = PartialTimings(path, NEW)
    assert not newer.found
    newer.add(EMPTY, timing(2.0))
    with pytest.warns(UserWarning, match="used again by a call on those terms"):
        again = PartialTimings(path, OLD)
    assert [found.median_ms for found in again.found.values()] == [1.0]
    again.remove()
    assert [found.median_ms for found in PartialTimings(path, NEW).found.values()] == [2.0]


def test_a_file_without_timings_makes_way_without_a_word(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    PartialTimings(tmp_path / "file", OLD)
    PartialTimings(tmp_path / "file", NEW)
    assert not recwarn
    assert len(list(tmp_path.iterdir())) == 1
