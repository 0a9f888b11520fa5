from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.nas.objectives import Objective, non_dominated, to_minimise

numbers = st.integers(-3, 3).map(float) | st.sampled_from([-np.inf, np.inf, -0.0, 1e308, 5e-324])
tables = st.integers(1, 5).flatmap(
    lambda k: st.lists(st.lists(numbers, min_size=k, max_size=k), min_size=1, max_size=30)
)


def by_definition(values):
    return [not any((w <= v).all() and (w < v).any() for w in values) for v in values]


@given(tables)
def test_keeps_exactly_what_no_row_beats(rows):
    values = np.array(rows)
    assert non_dominated(values).tolist() == by_definition(values)


@given(tables, st.randoms(use_true_random=False))
def test_order_does_not_matter(rows, random):
    values = np.array(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    assert non_dominated(values[order]).tolist() == non_dominated(values)[order].tolist()


def test_many_rows_in_two_and_three_objectives():
    rng = np.random.default_rng(0)
    for k in (2, 3):
        values = rng.random((400, k)).round(2)
        assert non_dominated(values).tolist() == by_definition(values)


def test_nothing_has_no_front():
    assert non_dominated(np.empty((0, 2))).shape == (0,)


def test_directions():
    assert Objective.named("accuracy") == Objective("accuracy", "maximise")
    assert Objective.named("latency_ms").direction == "minimise"
    assert Objective.named("loss").direction == "minimise"
    both = [Objective.named("accuracy"), Objective.named("latency_ms")]
    np.testing.assert_array_equal(to_minimise([np.array([0.5]), np.array([2.0])], both), [[-0.5, 2.0]])


@pytest.mark.parametrize("k", [1, 2, 3])
def test_equal_rows_all_stay(k):
    assert non_dominated(np.ones((5, k))).all()
