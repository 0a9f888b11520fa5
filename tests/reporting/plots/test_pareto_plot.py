"""Plots are valid files that say and show what the fronts hold."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.nas.problem import posed
from vitnas.errors import DataError, SearchError, VitnasError
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.cascade_point import CascadePoint
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.reporting.baselines import read_baselines
from vitnas.reporting.evaluated import Evaluated, read_evaluated
from vitnas.reporting.plots.pareto_plot import plot_fronts
from vitnas.search_spaces import Arch, Cascade, Codes, load_space
from vitnas.supernets.counting.population import PopulationCounter

SPACE = load_space("autoformer-mini")
OBJECTIVES = (Objective.named("latency_ms"), Objective.named("accuracy"))
LATENCY = (0.1, 0.2, 0.3, 0.45)
ACCURACY = (0.90, 0.95, 0.96, 0.961)


def front(
    seed: int = 0, origin: str = "measured", shift: float = 0.0, config: dict[str, Any] | None = None
) -> ParetoFront:
    archs = SPACE.sample(len(LATENCY), np.random.default_rng(seed))
    points = [
        Point(arch, {"latency_ms": x + shift, "accuracy": y}, {"latency_ms": "table", "accuracy": origin})
        for arch, x, y in zip(archs, LATENCY, ACCURACY, strict=True)
    ]
    return ParetoFront.of(SPACE, OBJECTIVES, points, config=config)


def texts(path: Path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return ["".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")]


EVALUATED = Evaluated(
    ["a", "b", "c", "d"],
    [{"space": "autoformer-mini", "genes": {}}] * 4,
    {"latency_ms": np.array([0.2, 0.3, 0.4, 0.5]), "accuracy": np.array([0.9, 0.93, np.nan, 0.2])},
    failed=1,
)


def test_png_and_svg_are_whole_and_say_what_they_show(tmp_path):
    paths = [tmp_path / "front.png", tmp_path / "front.svg"]
    config = {"limits": {"latency_ms": 0.5}, "origin": {"device": "cpu"}}
    plot_fronts(
        {"NSGA-II": front(config=config)},
        paths,
        evaluated={"NSGA-II": EVALUATED},
    )
    png = paths[0].read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.endswith(b"IEND\xaeB`\x82")
    words = texts(paths[1])
    assert {
        "Latency on cpu (ms)",
        "Top-1 accuracy (%)",
        "NSGA-II",
        "limit 0.5 ms",
        "knee: 0.2 ms, 95.0 %",
        "evaluated archs (1 below the axis)",
        "Pareto front of autoformer-mini",
    } <= set(words)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["front.png", "front.svg"]


def test_several_fronts_have_a_name_and_a_knee_each(tmp_path):
    path = tmp_path / "fronts.svg"
    plot_fronts({"ours": front(), "random": front(1, shift=0.03), "third": front(2, shift=0.06)}, [path], title="Three")
    words = texts(path)
    assert {"ours", "random", "third", "Three"} <= set(words)
    assert sum(word.startswith("knee:") for word in words) == 3
    assert not any(word.startswith("evaluated") for word in words)


@pytest.mark.heavy
def test_what_cannot_be_told_apart_is_shown_as_one(tmp_path):
    close = front()
    blurred = {"latency_ms": 0.2, "accuracy": 0.02}
    points = tuple(replace(p, errors=blurred) for p in close.points)
    plot_fronts({"ours": replace(close, points=points)}, [tmp_path / "p.svg"])
    words = texts(tmp_path / "p.svg")
    assert "cannot be told apart" in words
    assert any("3 points within the error" in word for word in words)
    plot_fronts({"ours": close}, [tmp_path / "q.svg"])
    assert "cannot be told apart" not in texts(tmp_path / "q.svg")


@pytest.mark.heavy
def test_devices_stand_side_by_side_and_a_search_looks_alike_in_both(tmp_path):
    cpu, phone = ({"origin": {"device": name}} for name in ("cpu", "phone"))
    fronts = {"s, cpu alone": front(config=cpu), "s, phone alone": front(1, config=phone), "t": front(2, config=phone)}
    plot_fronts(fronts, [tmp_path / "p.svg"])
    words = texts(tmp_path / "p.svg")
    assert {"Latency on cpu (ms)", "Latency on phone (ms)"} <= set(words)
    assert [words.count(name) for name in ("s", "t", "Top-1 accuracy (%)")] == [1, 1, 1]
    assert sum(word.startswith("knee:") for word in words) == 3


def test_costs_that_are_the_same_everywhere_share_one_axis(tmp_path):
    objectives = (Objective.named("num_params"), Objective.named("accuracy"))
    fronts = {}
    for device in ("cpu", "phone"):
        point = Point(SPACE.smallest(), {"num_params": 2.5e6, "accuracy": 0.5}, {})
        fronts[device] = ParetoFront.of(SPACE, objectives, [point], config={"origin": {"device": device}})
    plot_fronts(fronts, [tmp_path / "p.svg"])
    assert texts(tmp_path / "p.svg").count("Parameters (M)") == 1


def test_baselines_are_named_beside_the_front(tmp_path):
    table = tmp_path / "known.csv"
    table.write_text("name,accuracy,latency_ms,source\nDeiT,91.5%,0.35,a paper\nold,0.2,0.11,\nuntimed,0.9,,\n")
    plot_fronts({"ours": front()}, [tmp_path / "p.svg"], baselines=read_baselines(table))
    words = texts(tmp_path / "p.svg")
    assert {"DeiT", "old", "given"} <= set(words)
    assert "untimed" not in words
    (tmp_path / "known.json").write_text('[{"name": "DeiT", "accuracy": 0.915, "latency_ms": 0.35}]')
    assert read_baselines(tmp_path / "known.json") == read_baselines(table)[:1]


def test_of_several_devices_a_baseline_says_which(tmp_path):
    fronts = {name: front(config={"origin": {"device": name}}) for name in ("cpu", "phone")}
    table = tmp_path / "known.csv"
    table.write_text("name,accuracy,latency_ms@phone\nDeiT,0.95,0.35\n")
    plot_fronts(fronts, [tmp_path / "p.svg"], baselines=read_baselines(table))
    assert texts(tmp_path / "p.svg").count("DeiT") == 1
    table.write_text("name,accuracy,latency_ms\nDeiT,0.95,0.35\n")
    with pytest.raises(
        DataError, match=r"both accuracy and latency_ms@cpu or latency_ms@phone; add the column, there are"
    ):
        plot_fronts(fronts, [tmp_path / "q.svg"], baselines=read_baselines(table))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "a.csv",
            "name,accuracy\nx,81.3\n",
            r"baseline 1 \(x\): accuracy 81.3 is not between 0 and 1; write 0.813 or 81.3%",
        ),
        ("a.csv", "name,latency_ms\nx,fast\n", r"latency_ms is 'fast', which is no number"),
        ("a.csv", "name,latency_ms\nx,nan\n", "no number"),
        ("a.csv", "model,latency_ms\nx,1\n", "baseline 1 has no name"),
        ("a.csv", "name,accuracy\n", "has no baselines"),
        ("a.json", '{"name": "x"}', "is no list of baselines"),
        ("a.json", "[1]", "is no list of baselines"),
        ("a.json", '[{"name": "x", "macs": true}]', "no number"),
    ],
)
def test_baselines_that_cannot_be_read_say_where(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        read_baselines(tmp_path / name)


def test_a_search_can_be_plotted_as_it_lies_on_the_disk(tmp_path):
    def macs(codes: Codes) -> NDArray[np.float64]:
        return PopulationCounter(SPACE)(codes).macs.astype(np.float64)

    def score(arch: Arch) -> dict[str, float]:
        return {"accuracy": 0.5 + 0.05 * arch["depth"]}

    settings = SearchSettings(objectives=("accuracy", "macs"), limits={"macs": 5e6}, evaluations=30, predictor="none")
    search(posed(SPACE, settings, {"macs": macs}), score, settings, tmp_path, progress=False)
    loaded = ParetoFront.load(tmp_path / "front.json", SPACE)
    plot_fronts({"s": loaded}, [tmp_path / "p.svg"], evaluated={"s": read_evaluated(tmp_path / "evaluations.parquet")})
    assert {"limit 5 M", "Multiply-accumulates (M)"} <= set(texts(tmp_path / "p.svg"))


def test_predicted_accuracy_is_called_predicted(tmp_path):
    plot_fronts({"front": front(origin="predicted")}, [tmp_path / "p.svg"])
    assert "Predicted top-1 accuracy (%)" in texts(tmp_path / "p.svg")


def test_a_front_of_one_point_and_other_quantities(tmp_path):
    objectives = (Objective.named("num_params"), Objective.named("score"))
    point = Point(SPACE.smallest(), {"num_params": 2.5e6, "score": 0.0}, {"num_params": "table", "score": "measured"})
    plot_fronts({"one": ParetoFront.of(SPACE, objectives, [point])}, [tmp_path / "p.svg"])
    assert {"Parameters (M)", "Score", "best: 2.5 M, 0"} <= set(texts(tmp_path / "p.svg"))


@pytest.mark.heavy
def test_the_same_fronts_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        plot_fronts({"front": front()}, [tmp_path / f"{name}.svg", tmp_path / f"{name}.png"])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert not re.search(rb"<dc:date>", (tmp_path / "a.svg").read_bytes())


@pytest.mark.parametrize("name", ["front.jpg", "front", "front.svg.gz"])
def test_other_suffixes_are_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(VitnasError, match=r"must end in \.png or \.svg"):
        plot_fronts({"front": front()}, [tmp_path / "good.png", tmp_path / name])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_plotted_says_why(tmp_path):
    with pytest.raises(SearchError, match="no front"):
        plot_fronts({}, [tmp_path / "p.svg"])
    macs = {"origin": {}, "limits": {}}
    bare = Evaluated(["a"], [{}], {"accuracy": np.array([0.5])})
    with pytest.raises(SearchError, match=r"front 'f' has no figure 'latency_ms'; have \[accuracy\]"):
        plot_fronts({"f": front(config=macs)}, [tmp_path / "p.svg"], evaluated={"f": bare})
    (tmp_path / "broken.parquet").write_bytes(b"not a table")
    with pytest.raises(SearchError, match="cannot read"):
        read_evaluated(tmp_path / "broken.parquet")
    with pytest.raises(DataError, match="does not exist; give --baselines"):
        read_baselines(tmp_path / "none.csv")
    costs = (Objective.named("latency_ms"), Objective.named("macs"))
    point = Point(SPACE.smallest(), {"latency_ms": 1.0, "macs": 1.0}, {"latency_ms": "table", "macs": "table"})
    with pytest.raises(SearchError, match="one to maximise"):
        plot_fronts({"costs": ParetoFront.of(SPACE, costs, [point])}, [tmp_path / "p.svg"])


def test_cascades_of_a_front_are_a_curve_beside_its_archs(tmp_path):
    archs = SPACE.restrict(depth=(3, 4)).sample(2, np.random.default_rng(3))
    cascade = Cascade.of(SPACE, archs, "confidence", (0.9,))
    beside = CascadePoint(
        cascade, {"latency_ms": 0.15, "accuracy": 0.955}, {"latency_ms": "table", "accuracy": "measured"}
    )
    both = front().with_cascades([beside])
    assert both.cascades == (beside,)
    assert [point.objectives["latency_ms"] for point in both.points] == [0.1, 0.3, 0.45], "the arch at 0.2 ms is beaten"
    plot_fronts({"ours": both}, [tmp_path / "both.svg"])
    assert {"ours", "ours, cascades"} <= set(texts(tmp_path / "both.svg"))
