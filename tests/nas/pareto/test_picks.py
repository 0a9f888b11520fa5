"""What is taken from a front whose figures have errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nas.problem import BIG
from vitnas.errors import SearchError
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.answers import Answers
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point

OBJECTIVES = (Objective.named("accuracy"), Objective.named("latency_ms"))
ARCHS = list(dict.fromkeys(BIG.sample(60, np.random.default_rng(0))))


def front(*pairs, errors=None, objectives=OBJECTIVES, **more):
    names = [o.name for o in objectives]
    points = [
        Point(arch, dict(zip(names, figures, strict=True)), dict.fromkeys(names, "measured"), errors or {})
        for arch, figures in zip(ARCHS, pairs, strict=False)
    ]
    return ParetoFront.of(BIG, objectives, points, **more)


BENT = ((0.70, 1.0), (0.90, 2.0), (0.95, 6.0))


def ms(point):
    return point.objectives["latency_ms"]


def test_without_errors_the_picks_are_the_extremes_and_the_knee():
    found = front(*BENT)
    assert [ms(found.pick(which)) for which in ("fastest", "knee", "best", "most-accurate")] == [1, 2, 6, 6]
    assert found.knee() == found.points[1]  # scaled: (0, 1), (.2, .2), (1, 0)


def test_the_best_is_the_cheapest_that_cannot_be_told_from_the_most_accurate():
    found = front((0.70, 1.0), (0.92, 2.0), (0.94, 4.0), (0.95, 6.0), errors={"accuracy": 0.01})
    assert ms(found.pick("best")) == 4.0
    assert ms(found.pick("most-accurate")) == 6.0


def test_where_costs_cannot_be_told_apart_either_the_more_accurate_is_best():
    """The front of an estimated phone: four networks within 3 of 359 images and a thousandth of a millisecond."""
    pairs = [(1 - k / 359, 0.4484 - 0.0002 * k) for k in range(4)]
    found = front(*pairs, errors={"accuracy": 0.004, "latency_ms": 0.071})
    (group,) = found.groups()
    assert group.best == found.best() == found.most_accurate()
    assert group.points == found.points
    assert found.knee() is None
    assert "whole range of accuracy" in found.why_no_knee()
    assert found.pick("knee") == found.best()


def test_the_same_images_tell_apart_what_their_number_alone_does_not():
    right = np.ones(400, np.bool_)
    points, worse = [], right.copy()
    for arch, wrong, latency in zip(ARCHS, (8, 14), (2.0, 1.0), strict=False):
        worse = right.copy()
        worse[:wrong] = False  # the better network errs where the worse one does
        accuracy = float(worse.mean())
        error = float(np.sqrt(accuracy * (1 - accuracy) / 400))
        points.append(
            Point(
                arch,
                {"accuracy": accuracy, "latency_ms": latency},
                {},
                {"accuracy": error},
                str(Answers.of(worse)),
            )
        )
    together = ParetoFront.of(BIG, OBJECTIVES, points)
    assert ms(together.best()) == 2.0
    apart = replace(together, points=tuple(replace(p, answers="") for p in together.points))
    assert ms(apart.best()) == 1.0


def test_the_knee_is_no_end_of_the_front():
    straight = front((0.70, 1.0), (0.80, 2.0), (0.90, 3.0))
    assert straight.knee() is None
    assert "beyond the line" in straight.why_no_knee()
    hollow = front((0.70, 1.0), (0.72, 2.0), (0.90, 3.0))
    assert hollow.knee() is None
    assert hollow.pick("knee") == hollow.best()


def test_a_knee_needs_points_on_both_sides():
    assert "1 distinguishable group" in front((0.5, 1.0)).why_no_knee()
    assert "2 distinguishable groups" in front((0.5, 1.0), (0.6, 2.0)).why_no_knee()
    three = front(*BENT, errors={"accuracy": 0.03, "latency_ms": 2.0})
    assert len(three.groups()) == 2
    assert "2 distinguishable groups" in three.why_no_knee()


def test_the_knee_does_not_depend_on_units():
    slow = front(*((a, 1000 * x) for a, x in BENT))
    assert slow.knee().arch == front(*BENT).knee().arch


def test_what_a_point_gives_up_has_an_error():
    found = front(*BENT, errors={"accuracy": 0.01})
    trade = found.trade(found.knee())
    assert trade.against == found.points[2]
    assert trade.gives_up == pytest.approx(0.05)
    assert trade.error == pytest.approx(0.01 * 2**0.5)
    assert trade.saves == pytest.approx(4 / 6)
    assert (trade.worth, trade.cost, trade.is_sure, trade.saves_surely) == ("accuracy", "latency_ms", True, True)
    assert found.trade(found.most_accurate()) is None


def test_other_objectives_are_weighed_as_well():
    three = (*OBJECTIVES, Objective.named("num_params"))
    found = front((0.7, 1.0, 9.0), (0.9, 2.0, 2.0), (0.95, 6.0, 1.5), objectives=three)
    assert found.knee() == found.points[1]
    alike = front((0.7, 1.0, 9.0), (0.9, 2.0, 9.0), (0.95, 6.0, 9.0), objectives=three)
    assert alike.knee() == alike.points[1]  # what is the same everywhere says nothing
    costs = (Objective.named("latency_ms"), Objective.named("num_params"))
    both = front((1.0, 9.0), (2.0, 2.0), (6.0, 1.0), objectives=costs, errors={"latency_ms": 0.7})
    assert ms(both.most_accurate()) == 1.0  # of the first objective, where none is maximised
    assert ms(both.best()) == 2.0
    alone = front((0.9,), objectives=OBJECTIVES[:1])
    assert alone.best() == alone.most_accurate() == alone.pick("knee")
    with pytest.raises(SearchError, match="minimises nothing"):
        alone.fastest()


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=1, max_size=30),
    st.floats(0, 4),
    st.floats(0, 4),
    st.randoms(),
)
def test_picks_hold_their_promise_in_any_order(pairs, one, two, random):
    errors = {"accuracy": one, "latency_ms": two}
    found = front(*pairs, errors=errors)
    best, top = found.best(), found.most_accurate()
    heads = [group.best for group in found.groups()]
    assert best in heads
    assert top in heads
    reach = 1.645 * one * 2**0.5
    assert top.objectives["accuracy"] - best.objectives["accuracy"] <= reach + 1e-9
    cheaper = [h for h in heads if ms(h) < ms(best)]
    assert all(top.objectives["accuracy"] - h.objectives["accuracy"] > reach - 1e-9 for h in cheaper)
    assert (found.knee() is None) == (found.why_no_knee() is not None)
    assert found.knee() in (None, *heads)
    mixed = list(found.points)
    random.shuffle(mixed)
    again = replace(found, points=tuple(mixed))
    sets = lambda f: {(g.best.arch.id, frozenset(p.arch.id for p in g.points)) for g in f.groups()}  # noqa: E731
    assert sets(again) == sets(found)
    assert (again.best(), again.most_accurate()) == (best, top)


def test_a_front_of_five_thousand_points():
    archs = list(dict.fromkeys(BIG.sample(6000, np.random.default_rng(0))))
    n = len(archs)
    assert n >= 5000
    points = [Point(arch, {"accuracy": i / n, "latency_ms": float(i)}, {}) for i, arch in enumerate(archs)]
    whole = ParetoFront.of(BIG, OBJECTIVES, points)
    assert len(whole.groups()) == n
    blurred = replace(
        whole, points=tuple(replace(p, errors={"accuracy": 0.02, "latency_ms": 90.0}) for p in whole.points)
    )
    assert 10 < len(blurred.groups()) < 40
