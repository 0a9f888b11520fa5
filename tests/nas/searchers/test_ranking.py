from __future__ import annotations

import numpy as np
import pytest
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

from vitnas.nas.searchers.agemoea2 import curvature
from vitnas.nas.searchers.nsga3 import _directions
from vitnas.nas.searchers.ranking import best_first, crowding, fronts


def peel(values):
    """Takes away what nobody beats, again and again."""
    front, left, number = np.full(len(values), -1), np.arange(len(values)), 0
    while len(left):
        v = values[left]
        beaten = [((v <= row).all(axis=1) & (v < row).any(axis=1)).any() for row in v]
        front[left[~np.array(beaten)]] = number
        left, number = left[np.array(beaten)], number + 1
    return front


@pytest.mark.parametrize("k", [1, 2, 3])
def test_fronts_are_what_peeling_gives(k):
    values = np.random.default_rng(k).random((60, k)).round(1)  # with ties
    np.testing.assert_array_equal(fronts(values), peel(values))


@pytest.mark.parametrize("k", [2, 3])
def test_crowding_is_that_of_pymoo(k):
    values = np.random.default_rng(k).random((50, k))
    front = fronts(values)
    for number in range(front.max() + 1):
        rows = front == number
        if rows.sum() < 3:
            assert np.isinf(crowding(values, front)[rows]).all()
            continue
        ends = np.isinf(crowding(values, front)[rows])
        expected = calc_crowding_distance(values[rows]) * k  # which takes the mean over objectives
        np.testing.assert_array_equal(ends, np.isinf(expected))
        np.testing.assert_allclose(crowding(values, front)[rows][~ends], expected[~ends])


def test_best_first_is_front_by_front():
    values = np.random.default_rng(0).random((40, 2))
    order = best_first(values)
    assert sorted(order) == list(range(40))
    assert (np.diff(fronts(values)[order]) >= 0).all()
    one = np.array([[3.0], [1.0], [2.0], [1.0]])
    assert best_first(one).tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize("power", [0.4, 1.0, 2.0, 5.0])
def test_curvature_of_a_known_curve(power):
    x = np.linspace(0, 1, 101)
    points = np.stack([x, (1 - x**power) ** (1 / power)], axis=1)
    assert curvature(points) == pytest.approx(power, rel=1e-3)


def test_curvature_of_two_ends_is_a_line():
    assert curvature(np.eye(2)) == 1.0


def test_directions_fill_the_population():
    for k, most in ((2, 20), (3, 100), (3, 3), (5, 40)):
        found = _directions(k, most)
        assert k <= len(found) <= max(most, k)
        np.testing.assert_allclose(found.sum(axis=1), 1)
    assert len(_directions(2, 20)) == 20
    assert len(_directions(3, 100)) == 91
