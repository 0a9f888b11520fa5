"""A front is read once, and then held against the space that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitnas.api.exporting import _front
from vitnas.errors import SearchError
from vitnas.nas.objectives import objectives_named
from vitnas.nas.pareto import front as reading
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.search_spaces import Task, load_space


def test_a_front_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = load_space("autoformer-mini")
    space = base.compressed(["w8a8"])
    points = [Point(space.smallest(), {"accuracy": 0.5}, {"accuracy": "measured"})]
    file = tmp_path / "front.json"
    ParetoFront.of(space, objectives_named(["accuracy"]), points).save(file)
    read: list[Path] = []
    real = reading.read_json
    monkeypatch.setattr(reading, "read_json", lambda path: (read.append(path), real(path))[1])
    found, own = _front(file, base)
    assert read == [file]
    assert (found.points, own.fingerprint) == (tuple(points), space.fingerprint)
    with pytest.raises(SearchError, match=r"front '.*front.json': is of space 'compress:w8a8:autoformer-mini'"):
        _front(file, load_space("autoformer-mini", Task(16, 10, 1)))
