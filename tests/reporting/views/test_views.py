"""How results look: frames hold the figures, pages hold the text, pictures are drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import vitnas
from tests.latency_lut.test_table import make_table
from vitnas.automation.scoreboard import Line
from vitnas.display import VIEWS, Shown
from vitnas.nas.fit_predictor import PredictorFit
from vitnas.reporting.per_arch import ArchTable, EvaluatedArch
from vitnas.reporting.plots.layers_plot import plot_layers
from vitnas.search_spaces import load_space
from vitnas.supernets.judgement import Judgement


@pytest.fixture(scope="module")
def front(run: Path) -> vitnas.ParetoFront:
    return vitnas.load_front(run / "search-pretended")


@pytest.fixture(scope="module")
def table(run: Path) -> vitnas.LatencyTable:
    return vitnas.load_table(run / "latency" / "pretended.parquet")


def evaluated(name: str, arch: vitnas.Arch, accuracy: float) -> EvaluatedArch:
    return EvaluatedArch(name, arch, accuracy, 0.01, 0.5, Judgement(0.9, 100, 100), 1000, 2000, {"cpu": 1.5})


@pytest.fixture(scope="module")
def results(run: Path, front: vitnas.ParetoFront, table: vitnas.LatencyTable) -> dict[str, Shown]:
    """One of every kind that shows itself."""
    space = vitnas.load_space("autoformer-mini")
    rows = [evaluated("smallest", space.smallest(), 0.8), evaluated("largest", space.largest(), 0.9)]
    return {
        "archs": ArchTable.of(rows),
        "arch": rows[0],
        "counted": vitnas.count(space, "smallest"),
        "estimate": vitnas.estimate(space, "smallest"),
        "fit": PredictorFit.load(run / "predictor"),
        "front": front,
        "run": vitnas.load_run(run),
        "scoreboard": vitnas.Scoreboard(
            "digits",
            "test",
            180,
            {"cpu": 1.5},
            (Line("network", "deit", 64, "a" * 12, 0.9, (0.8, 0.95), {"cpu": 1.0}, 1000, 2.0),),
            {},
        ),
        "search": vitnas.SearchResult(run / "search-pretended", front, {}),
        "table": table,
    }


@pytest.mark.parametrize("view", VIEWS.names())
def test_every_view_has_a_frame_a_page_and_a_picture(view: str, results: dict[str, Shown]) -> None:
    result = results[view]
    assert result._view == view
    assert len(result.to_frame()) > 0
    assert result._repr_html_().startswith("<div><strong>")
    assert result.plot()._repr_png_().startswith(b"\x89PNG")


def test_the_frame_of_a_front_has_its_figures_and_genes(front: vitnas.ParetoFront) -> None:
    frame = front.to_frame()
    assert list(frame.index) == [point.arch.id for point in front.points]
    for point in front.points:
        row = frame.loc[point.arch.id]
        assert {o.name: row[o.name] for o in front.objectives} == dict(point.objectives)
        assert row["accuracy_std"] == point.errors["accuracy"]
        assert row["depth"] == point.arch["depth"]
    assert "best" in frame.loc[front.best().arch.id, "pick"].split()  # type: ignore[union-attr]


def test_the_frame_of_a_search_has_all_that_was_evaluated(results: dict[str, Shown], run: Path) -> None:
    import pandas as pd

    frame = results["search"].to_frame()
    told = pd.read_parquet(run / "search-pretended" / "evaluations.parquet")
    assert list(frame.index) == list(told.arch_id)
    assert frame["on_front"].tolist() == told.on_front.tolist()
    assert frame["accuracy"].tolist() == told.accuracy.tolist()


def test_the_frame_of_a_table_has_its_layers(table: vitnas.LatencyTable) -> None:
    frame = table.to_frame()
    assert frame["median_ms"].tolist() == [row.timing.median_ms for row in table.rows]
    assert frame["macs"].sum() == sum(row.macs for row in table.rows)
    assert str(table.header.fidelity) in table._repr_html_()


def test_layers_at_other_precisions_are_kinds_of_their_own() -> None:
    table = make_table(load_space("autoformer-mini").compressed(["w8a8"]))
    frame, page = table.to_frame(), table._repr_html_()
    assert set(frame["precision"]) == {"float", "w8a8"}
    assert all(f"<th>{kind}</th>" in page for kind in ("attention", "attention in w8a8", "feed_forward in w8a8"))
    at_w8a8 = frame[(frame["kind"] == "attention") & (frame["precision"] == "w8a8")]
    kinds = [text.get_text() for text in plot_layers(table).axes[0].get_legend().get_texts()]
    assert {"attention", "attention in w8a8"} <= set(kinds)
    assert 0 < len(at_w8a8) < len(frame[frame["kind"] == "attention"])


def test_a_table_that_was_not_compared_draws_its_layers(table: vitnas.LatencyTable) -> None:
    alone = replace(table, header=replace(table.header, fidelity=None, networks=()))
    assert "not compared with whole networks" in alone._repr_html_()
    (axes,) = alone.plot().axes
    assert axes.get_xscale() == "log"


def test_the_frame_of_a_run_is_its_training(results: dict[str, Shown], run: Path) -> None:
    frame = results["run"].to_frame()
    assert frame["loss"].dropna().to_dict() == {10: 0.2, 20: 0.1, 30: 2 / 30}
    assert frame.loc[30, "largest_accuracy"] == 0.75
    assert "75.00%" in results["run"]._repr_html_()


def test_the_frame_of_counts_adds_up(results: dict[str, Shown]) -> None:
    counted = vitnas.count("autoformer-mini", "largest")
    assert counted.to_frame()["macs"].sum() == counted.macs
    json.dumps(counted.to_json())


def test_names_are_text_and_no_markup(results: dict[str, Shown]) -> None:
    one = results["arch"]
    assert isinstance(one, EvaluatedArch)
    page = replace(one, name="<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_picture_is_saved_in_the_look_in_which_it_was_made(front: vitnas.ParetoFront, tmp_path: Path) -> None:
    from vitnas.reporting.plots.pareto_plot import plot_fronts

    plot_fronts({front.space: front}, [tmp_path / "a.svg"])
    front.plot().savefig(tmp_path / "b.svg", format="svg", dpi=200, metadata={"Date": None})
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
