"""Estimated latencies bear their interval of 90 %, wherever a front is shown; measured and tabled ones do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitnas.latency_lut.estimate import load_model
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.reporting.page.page_data import _quantity
from vitnas.reporting.plots.scale import scale_of
from vitnas.reporting.terminal.estimates import estimated_factor
from vitnas.reporting.terminal.fronts import describe_front, print_front
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")


def front(name: str, provenance: str, device: str) -> ParetoFront:
    archs = SPACE.sample(3, np.random.default_rng(0))
    points = tuple(
        Point(arch, {"accuracy": 0.5 + i / 10, name: 1.0 + i}, {"accuracy": "measured", name: provenance}, {name: 0.25})
        for i, arch in enumerate(archs)
    )
    objectives = Objective.named("accuracy"), Objective.named(name)
    return ParetoFront(SPACE.name, SPACE.fingerprint, objectives, points, 0, {"origin": {"device": device}}, {})


@pytest.mark.parametrize(
    ("name", "device"),
    [("latency_ms", "iphone13"), ("latency_ms@iphone13", "iphone13, cpu"), ("latency_ms", "galaxy-s24-npu")],
)
def test_an_estimate_bears_its_interval(name, device, capsys):
    target = device if "@" not in name else "iphone13"
    low, high = load_model(target).interval_90_ms(1.0, target)
    found = front(name, "estimated", device)
    assert estimated_factor(found, name) == pytest.approx(high)
    told = describe_front(found)
    assert told["points"][0]["intervals_90"] == {name: (pytest.approx(low), pytest.approx(high))}
    print_front(told)
    out = " ".join(capsys.readouterr().out.split())
    assert f"(90 %: {low:.3g} to {high:.3g}) estimated" in out
    assert "± 0.25" not in out
    assert _quantity(name, scale_of(name), estimated_factor(found, name))["factor_90"] == pytest.approx(high)


@pytest.mark.parametrize(
    ("provenance", "device"), [("table", "iphone13"), ("measured", "cpu"), ("estimated", "a-phone-of-ours")]
)
def test_other_figures_keep_their_spread(provenance, device, capsys):
    found = front("latency_ms", provenance, device)
    assert estimated_factor(found, "latency_ms") is None
    told = describe_front(found)
    assert told["points"][0]["intervals_90"] == {}
    print_front(told)
    assert "± 0.25" in capsys.readouterr().out


def test_one_figure_that_was_measured_since_is_enough():
    mixed = front("latency_ms", "estimated", "iphone12")
    measured = replace(mixed.points[0], provenance={"accuracy": "measured", "latency_ms": "measured"})
    assert estimated_factor(replace(mixed, points=(measured, *mixed.points[1:])), "latency_ms") is None
