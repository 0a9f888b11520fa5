"""Plots are valid files that say and show what the fronts hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from vitnas.errors import SearchError, VitnasError
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto import ParetoFront, Point
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.reporting.pareto_plot import plot_fronts, read_evaluated
from vitnas.search_spaces import Arch, Codes, load_space
from vitnas.supernets.counting import PopulationCounter

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


@pytest.fixture
def evaluations(tmp_path: Path) -> Path:
    path = tmp_path / "evaluations.parquet"
    frame = pd.DataFrame({"width": 64, "latency_ms": [0.2, 0.3, 0.4, 0.5], "accuracy": [0.9, 0.93, float("nan"), 0.2]})
    frame.to_parquet(path)
    return path


def test_png_and_svg_are_whole_and_say_what_they_show(tmp_path, evaluations):
    paths = [tmp_path / "front.png", tmp_path / "front.svg"]
    config = {"limits": {"latency_ms": 0.5}, "origin": {"device": "cpu"}}
    plot_fronts(
        {"NSGA-II": front(config=config)},
        paths,
        evaluated={"NSGA-II": evaluations},
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
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evaluations.parquet", "front.png", "front.svg"]


def test_several_fronts_have_a_name_and_a_knee_each(tmp_path):
    path = tmp_path / "fronts.svg"
    plot_fronts({"ours": front(), "random": front(1, shift=0.03), "third": front(2, shift=0.06)}, [path], title="Three")
    words = texts(path)
    assert {"ours", "random", "third", "Three"} <= set(words)
    assert sum(word.startswith("knee:") for word in words) == 3
    assert not any(word.startswith("evaluated") for word in words)


def test_the_axis_names_a_device_only_if_all_fronts_share_it(tmp_path):
    cpu, phone = ({"origin": {"device": name}} for name in ("cpu", "phone"))
    plot_fronts({"a": front(config=cpu), "b": front(1, config=phone)}, [tmp_path / "p.svg"])
    assert "Latency (ms)" in texts(tmp_path / "p.svg")


def test_a_search_can_be_plotted_as_it_lies_on_the_disk(tmp_path):
    def macs(codes: Codes) -> NDArray[np.float64]:
        return PopulationCounter(SPACE)(codes).macs.astype(np.float64)

    def score(arch: Arch) -> dict[str, float]:
        return {"accuracy": 0.5 + 0.05 * arch["depth"]}

    settings = SearchSettings(objectives=("accuracy", "macs"), limits={"macs": 5e6}, evaluations=30, predictor="none")
    search(SPACE, score, {"macs": macs}, settings, tmp_path, progress=False)
    loaded = ParetoFront.load(tmp_path / "front.json", SPACE)
    plot_fronts({"s": loaded}, [tmp_path / "p.svg"], evaluated={"s": tmp_path / "evaluations.parquet"})
    assert {"limit 5 M", "Multiply-accumulates (M)"} <= set(texts(tmp_path / "p.svg"))


def test_predicted_accuracy_is_called_predicted(tmp_path):
    plot_fronts({"front": front(origin="predicted")}, [tmp_path / "p.svg"])
    assert "Predicted top-1 accuracy (%)" in texts(tmp_path / "p.svg")


def test_a_front_of_one_point_and_other_quantities(tmp_path):
    objectives = (Objective.named("num_params"), Objective.named("score"))
    point = Point(SPACE.smallest(), {"num_params": 2.5e6, "score": 0.0}, {"num_params": "table", "score": "measured"})
    plot_fronts({"one": ParetoFront.of(SPACE, objectives, [point])}, [tmp_path / "p.svg"])
    assert {"Parameters (M)", "Score", "knee: 2.5 M, 0"} <= set(texts(tmp_path / "p.svg"))


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


def test_what_cannot_be_plotted_says_why(tmp_path, evaluations):
    with pytest.raises(SearchError, match="no front"):
        plot_fronts({}, [tmp_path / "p.svg"])
    with pytest.raises(SearchError, match=r"no column 'macs'; have \[width, latency_ms, accuracy\]"):
        read_evaluated(evaluations, "macs", "accuracy")
    (tmp_path / "broken.parquet").write_bytes(b"not a table")
    with pytest.raises(SearchError, match="cannot read"):
        read_evaluated(tmp_path / "broken.parquet", "latency_ms", "accuracy")
    costs = (Objective.named("latency_ms"), Objective.named("macs"))
    point = Point(SPACE.smallest(), {"latency_ms": 1.0, "macs": 1.0}, {"latency_ms": "table", "macs": "table"})
    with pytest.raises(SearchError, match="one to maximise"):
        plot_fronts({"costs": ParetoFront.of(SPACE, costs, [point])}, [tmp_path / "p.svg"])


def test_rows_without_a_figure_are_left_out(evaluations):
    np.testing.assert_array_equal(
        read_evaluated(evaluations, "latency_ms", "accuracy"), [[0.2, 0.9], [0.3, 0.93], [0.5, 0.2]]
    )
