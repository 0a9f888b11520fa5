"""`vitnas search --compress`: layers have precisions that devices compute, or none has a latency."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.latency_lut.test_table import make_table
from vitnas.errors import DeviceError, SearchError
from vitnas.latency_lut.devices.cpu import CPU
from vitnas.latency_lut.devices.menus import Compression
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.run_search import SearchRequest, start_search
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import Compressed, as_named

pytestmark = pytest.mark.heavy

SETTINGS = SearchSettings(evaluations=6, initial=4, batch=2, population=10, generations=3)
INTEGERS = CPU().precisions[0]


@pytest.fixture
def run(trained: RunFolder, tmp_path: Path) -> RunFolder:
    """One of its own, for a search leaves ranges there."""
    shutil.copytree(trained.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def _table(space: Compressed, folder: Path) -> Path:
    table = make_table(space)
    path = folder / "mixed.parquet"
    replace(table, header=replace(table.header, device="cpu")).write(path)
    return path


def test_the_menu_is_what_the_device_computes(run: RunFolder, tmp_path: Path) -> None:
    space = Compression().of(run.space, ["cpu"])
    assert space.menu == (INTEGERS, "float")
    said: list[str] = []
    request = SearchRequest(
        ("cpu",), run=run, tables=(_table(space, tmp_path),), folder=tmp_path / "out", compression=Compression()
    )
    settings = replace(SETTINGS, limits={"weight_bytes": 4e6})
    found = start_search(request, settings, said.append, progress=False)
    assert f"precisions: {INTEGERS}, float" in said
    assert found.front.space == space.name
    assert {p.provenance["latency_ms"] for p in found.front.points} == {"table"}
    again = ParetoFront.load(tmp_path / "out" / "front.json", as_named(run.space, found.front.space))
    assert [space.base.check(space.plain(point.arch)) for point in again.points]


def test_it_has_a_folder_of_its_own_and_another_space_is_refused_at_once(run: RunFolder, tmp_path: Path) -> None:
    space = Compression().of(run.space, ["cpu"])
    table = _table(space, tmp_path)
    plain = start_search(SearchRequest(("cpu",), run=run, tables=(table,)), SETTINGS, lambda _: None, progress=False)
    request = SearchRequest(("cpu",), run=run, tables=(table,), compression=Compression())
    found = start_search(request, SETTINGS, lambda _: None, progress=False)
    assert plain.folder == run.path / "search-cpu"
    assert found.folder == run.path / "search-cpu-compressed"
    assert found.front.space == space.name
    assert ParetoFront.load(plain.folder / "front.json", run.space).points == plain.front.points
    before = run.ranges_file.read_bytes()
    run.ranges_file.unlink()
    for folder in (plain.folder, found.folder):
        other = replace(request, folder=folder, compression=Compression(("w4a4",), True))
        with pytest.raises(SearchError, match=r"has space .*choose another folder with --out, or search as before"):
            start_search(other, SETTINGS, lambda _: None, progress=False)
    with pytest.raises(SearchError, match="has objectives"):
        start_search(request, replace(SETTINGS, objectives=("accuracy", "params")), lambda _: None, progress=False)
    assert not run.ranges_file.exists()  # nothing was measured
    run.ranges_file.write_bytes(before)
    assert start_search(request, SETTINGS, lambda _: None, progress=False).front.points == found.front.points


def test_a_table_of_float_layers_names_the_remedy(run: RunFolder, tmp_path: Path) -> None:
    request = SearchRequest(("cpu",), run=run, folder=tmp_path / "out", compression=Compression())
    with pytest.raises(
        DeviceError, match=rf"no rows at {INTEGERS} .*run `vitnas profile \.\.\. --device cpu --compress`"
    ):
        start_search(request, SETTINGS, lambda _: None, progress=False)


def test_what_is_simulated_has_no_latency(run: RunFolder, tmp_path: Path) -> None:
    said: list[str] = []
    request = SearchRequest(("cpu",), run=run, folder=tmp_path / "out", compression=Compression(("w4a4",), True))
    front = start_search(request, SETTINGS, said.append, progress=False).front
    assert any("'bitops' stands for it" in line for line in said)
    assert [objective.name for objective in front.objectives] == ["accuracy", "bitops"]
    assert front.config["origin"]["precisions"] == "simulated"
    assert not any("latency" in name for point in front.points for name in (*point.objectives, *point.errors))
    with pytest.raises(SearchError, match="'latency_ms' is limited, and precisions that are simulated have no latency"):
        start_search(request, replace(SETTINGS, limits={"latency_ms": 3.0}), said.append, progress=False)


def test_a_precision_that_nothing_computes_is_refused_before_anything_starts(run: RunFolder) -> None:
    request = SearchRequest(("cpu",), run=run, compression=Compression(("w4a4",)))
    with pytest.raises(DeviceError, match="device 'cpu' computes no 'w4a4' in integers here; .*Add --simulate"):
        start_search(request, SETTINGS, lambda _: None, progress=False)


def test_a_front_of_the_base_is_where_a_search_begins(run: RunFolder, tmp_path: Path) -> None:
    plain = start_search(SearchRequest(("cpu",), run=run, folder=tmp_path / "plain"), SETTINGS, progress=False)
    space = Compression(("w4a8",), True)
    request = SearchRequest(
        ("cpu",), run=run, folder=tmp_path / "out", compression=space, warm=tmp_path / "plain" / "front.json"
    )
    start_search(request, SETTINGS, lambda _: None, progress=False)
    assert len(plain.front.points) > 0
