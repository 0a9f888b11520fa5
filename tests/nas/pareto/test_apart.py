"""Laws of what can be told apart, and the paired error against its definition and against simulated networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import SearchError
from vitnas.nas.pareto.answers import MOST_KEPT, Answers
from vitnas.nas.pareto.apart import Apart
from vitnas.nas.targets.uncertainty import WIDTH

ROWS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=25, unique=True)


def grouped(values, stds, order=None, shared=(0.0, 0.0), answers=(), judged=None):
    values = np.asarray(values, dtype=np.float64)
    stds = np.broadcast_to(np.asarray(stds, dtype=np.float64), values.shape)
    apart = Apart(values, stds, np.array(shared), answers, judged)
    order = np.lexsort(values.T[::-1]) if order is None else order
    return [rows.tolist() for rows in apart.groups(np.asarray(order))]


@given(ROWS, st.floats(0, 3), st.floats(0, 3))
def test_every_point_is_in_one_group(values, one, two):
    found = grouped(values, (one, two))
    assert sorted(i for rows in found for i in rows) == list(range(len(values)))


@given(ROWS, st.floats(0, 3), st.floats(0, 3))
def test_a_group_is_what_cannot_be_told_from_its_first_and_the_firsts_can_be_told_apart(values, one, two):
    values = np.array(values, dtype=np.float64)
    limits = WIDTH * math.sqrt(2) * np.array([one, two])
    firsts = []
    for rows in grouped(values, (one, two)):
        assert (np.abs(values[rows] - values[rows[0]]) <= limits * (1 + 1e-9)).all()
        firsts.append(values[rows[0]])
    for i, first in enumerate(firsts):
        assert all((np.abs(first - other) > limits * (1 - 1e-9)).any() for other in firsts[:i])


@given(ROWS, st.floats(0, 3), st.floats(0, 3), st.randoms())
def test_the_order_of_the_points_does_not_matter(values, one, two, random):
    mixed = list(range(len(values)))
    random.shuffle(mixed)
    before = {frozenset(values[i] for i in rows) for rows in grouped(values, (one, two))}
    again = [values[i] for i in mixed]
    assert {frozenset(again[i] for i in rows) for rows in grouped(again, (one, two))} == before


@given(ROWS)
def test_without_errors_all_are_told_apart_and_with_huge_ones_none(values):
    assert all(len(rows) == 1 for rows in grouped(values, (0.0, 0.0)))
    assert len(grouped(values, (100.0, 100.0))) == 1


def test_an_error_in_one_objective_alone_groups_nothing_that_differs_in_the_other():
    assert grouped([(0.0, 5.0), (0.1, 4.0), (0.2, 4.0)], (1.0, 0.0)) == [[0], [1, 2]]


def test_a_chain_is_cut_where_the_first_can_be_told_from_a_link():
    assert grouped([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0)], (0.5, 0.0)) == [[0, 1], [2, 3]]


def test_an_error_that_all_share_does_not_blur_which_is_more():
    values = [(1.0, 0.0), (1.1, 0.0), (1.2, 0.0)]
    own, shared = 0.01, 0.2
    stds = [(math.hypot(own, shared * ms), 0.0) for ms, _ in values]
    assert grouped(values, stds) == [[0, 1, 2]]
    assert grouped(values, stds, shared=(shared, 0.0)) == [[0], [1], [2]]


def paired(right):
    """The standard deviation that `Apart` gives the difference of two accuracies."""
    values = -np.array([[each.mean()] for each in right])
    stds = np.full(values.shape, 0.5 / math.sqrt(len(right[0])))
    apart = Apart(values, stds, np.zeros(1), [Answers.of(each) for each in right], 0)
    return float(apart.error(0, np.array([1]), 0)[0])


@given(st.integers(1, 400), st.integers(0, 10**6))
def test_the_error_of_a_difference_is_that_of_mcnemar(n, seed):
    rng = np.random.default_rng(seed)
    one = rng.random(n) < 0.8
    two = np.where(rng.random(n) < 0.1, ~one, one)
    b, c = (one & ~two).sum() + 0.5, (two & ~one).sum() + 0.5
    assert paired([one, two]) == pytest.approx(math.sqrt(b + c - (b - c) ** 2 / (n + 2)) / n)


def test_many_images_are_told_by_some_of_them():
    rng = np.random.default_rng(0)
    one = rng.random(20_000) < 0.75
    two = np.where(rng.random(20_000) < 0.12, ~one, one)
    b, c = (one & ~two).mean(), (two & ~one).mean()
    assert paired([one, two]) == pytest.approx(math.sqrt((b + c - (b - c) ** 2) / 20_000), rel=0.15)
    assert len(Answers.of(one).right) == MOST_KEPT // 8


@pytest.mark.parametrize("n", [100, 359, 5000])
def test_the_interval_of_a_difference_holds_the_truth_nine_times_of_ten_and_is_narrower_than_unpaired(n):
    rng = np.random.default_rng(n)
    held, narrower = 0, 0
    for _ in range(600):
        hard = rng.random(n)  # both networks fail on what is hard
        one, two = (hard + 0.1 * rng.standard_normal(n) < 0.86 for _ in range(2))
        gap, error = abs(one.mean() - two.mean()), paired([one, two])
        held += gap <= WIDTH * error  # they are equally good
        narrower += error < math.sqrt(one.var() / n + two.var() / n)
    assert 0.87 <= held / 600 <= 0.96
    assert narrower > 0.98 * 600


def test_answers_of_other_images_are_not_paired():
    one, two = np.ones(40, np.bool_), np.ones(50, np.bool_)
    apart = Apart(np.array([[-1.0], [-1.0]]), np.full((2, 1), 0.02), np.zeros(1), [Answers.of(one), Answers.of(two)], 0)
    assert apart.error(0, np.array([1]), 0)[0] == pytest.approx(0.02 * math.sqrt(2))
    half = Apart(np.array([[-1.0], [-1.0]]), np.full((2, 1), 0.02), np.zeros(1), [Answers.of(one), None], 0)
    assert half.error(0, np.array([1]), 0)[0] == pytest.approx(0.02 * math.sqrt(2))


@given(st.lists(st.booleans(), min_size=1, max_size=3000))
def test_answers_are_text_and_back(right):
    answers = Answers.of(np.array(right))
    assert Answers.read(str(answers)) == answers
    assert len(str(answers)) < 180


@pytest.mark.parametrize("text", ["", "3", "3:", "3:!!", "x:AA==", "-1:AA==", "0:", "9:AA==", "8:AAA="])
def test_answers_that_are_none_are_refused(text):
    with pytest.raises(SearchError, match="answers"):
        Answers.read(text)
