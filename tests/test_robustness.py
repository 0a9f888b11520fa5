"""A sample of what `benchmarks/robustness.py` tries in full: malformed inputs are refused, and nothing is harmed."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.problems.malformed import FRONT, Case, cases, snapshot
from benchmarks.problems.scene import make_scene, run_here

pytestmark = pytest.mark.heavy  # most of them work for a second or more

SAMPLE = cases()[::26]
READERS = {
    "arch.json": "count --space tiny.toml --arch arch.json",
    FRONT: f"compare {FRONT}",
    "results.json": "profile --run runs/tiny --import results.json --out new.parquet",
    "knee/report.json": "verify knee",
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scene(tmp_path_factory.mktemp("robust") / "scene")


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_a_malformed_input_is_refused_and_nothing_is_harmed(case: Case, scene: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(scene, folder)
    case.spoil(folder)
    before = snapshot(folder)
    said = run_here(case.command, folder)
    assert said.code == 2, said
    assert said.err.strip()
    assert "Traceback" not in said.err
    assert snapshot(folder) == before


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Every container in JSON with each of its keys."""
    keys = range(len(data)) if isinstance(data, list) else data if isinstance(data, dict) else ()
    return [place for key in keys for place in [(data, key), *_places(data[key])]]


@pytest.mark.parametrize("file", READERS)
def test_whatever_stands_in_a_file_no_command_ends_in_a_traceback(
    file: str, scene: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mutated") / "copy"
    shutil.copytree(scene, folder)
    good = json.loads((folder / file).read_text())
    good.pop("seal", None)  # so that the change itself is met
    values = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({})
    )

    @settings(max_examples=25)
    @given(st.integers(0, 10**9), values)
    def mutate(where: int, value: Any) -> None:
        data = copy.deepcopy(good)
        places = _places(data)
        container, key = places[where % len(places)]
        container[key] = value
        (folder / file).write_text(json.dumps(data))
        said = run_here(READERS[file], folder)
        assert said.code in (0, 2), said.err

    mutate()
