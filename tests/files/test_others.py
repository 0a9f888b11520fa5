"""No command writes over a file that it did not write: one of another kind under the same name is refused before the work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.latency_lut.test_table import make_table
from tests.nas.problem import TINY, Score, posed
from vitnas.errors import CheckpointError, ForeignFilesError
from vitnas.files import read_json
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.profile import check_target
from vitnas.nas.fit_predictor import fit_predictor
from vitnas.nas.search import search
from vitnas.nas.settings import FitSettings, SearchSettings
from vitnas.reporting.page.html import write_page
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space

QUICK = SearchSettings(evaluations=4, initial=2)


def evaluate(folder: Path) -> None:
    search(posed(TINY, QUICK), Score(TINY), QUICK, folder, progress=False)


def fit(folder: Path) -> None:
    run = RunFolder(folder.parent / "run")  # it has no weights yet, so nothing was evaluated before this was refused
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "space", TINY)
        fit_predictor(run, FitSettings(samples=20), folder=folder)


WRITERS = {
    "front.json": evaluate,
    "evaluations.parquet": evaluate,
    "cpu.parquet": lambda folder: make_table(TINY).write(folder / "cpu.parquet"),
    "new.parquet": lambda folder: check_target(
        folder / "new.parquet", load_device("cpu"), load_space("autoformer-mini")
    ),
    "page.html": lambda folder: write_page({"title": "t", "live": False}, folder / "page.html"),
    "report.json": fit,
    "environment.json": lambda folder: RunFolder.create(folder, TINY, {}),
    "order.json": lambda folder: RunFolder.create(folder, TINY, {}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_of_another_kind_is_not_replaced(name, tmp_path):
    (tmp_path / name).write_text('{"years": "of work"}')
    with pytest.raises(ForeignFilesError, match=r"so it is not replaced; move it elsewhere"):
        WRITERS[name](tmp_path)
    assert (tmp_path / name).read_text() == '{"years": "of work"}'
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_files_of_the_same_kind_and_empty_ones_are(tmp_path):
    (tmp_path / "cpu.parquet").touch()
    for _ in range(2):
        WRITERS["cpu.parquet"](tmp_path)
        evaluate(tmp_path)
    (tmp_path / "front.json").write_bytes((tmp_path / "front.json").read_bytes()[:200])  # damaged, so search again
    evaluate(tmp_path)
    assert read_json(tmp_path / "front.json")


@pytest.mark.parametrize("name", ["metrics.jsonl", "checkpoints", "space.toml"])
def test_a_run_is_not_made_where_it_would_write_over_something(name, tmp_path):
    space = (
        load_space(str(Path(__file__).parents[2] / "docs/examples/own_space.toml")) if name == "space.toml" else TINY
    )
    (tmp_path / name).write_text("years of work")
    with pytest.raises(CheckpointError, match=f"has '{name}', which a run would write over"):
        RunFolder.create(tmp_path, space, {})
    assert (tmp_path / name).read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == [name]
