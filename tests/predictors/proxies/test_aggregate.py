"""Several proxies as one score."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vitnas.errors import DataError
from vitnas.predictors.proxies import PROXIES, aggregate
from vitnas.predictors.proxies.aggregate import ASSEMBLIES, Assembly, consensus, mean_log_rank

JOINS = pytest.mark.parametrize("join", [mean_log_rank, consensus])


def test_log_ranks_by_hand():
    found = mean_log_rank(np.array([[5.0, -1.0, 7.0, 5.0]]))
    np.testing.assert_allclose(found, np.log([2.5 / 4, 1 / 4, 1, 2.5 / 4]))


def test_to_be_bad_in_one_thing_costs_more_than_to_be_good_in_another_gains():
    found = mean_log_rank(np.array([[1.0, 2, 3], [3.0, 2, 1]]))
    assert found[1] > found[0] == found[2]
    assert found[1] == pytest.approx(math.log(2 / 3))


def test_consensus_counts_those_that_an_arch_is_better_than():
    scores = np.random.default_rng(0).integers(0, 4, size=(3, 30)).astype(float)
    expected = np.zeros(30)
    for i in range(30):
        for j in range(30):
            signs = set(np.sign(scores[:, i] - scores[:, j]).tolist()) - {0.0}
            expected[i] += signs.pop() / 30 if len(signs) == 1 else 0.0
    np.testing.assert_allclose(consensus(scores), expected, atol=1e-12)
    assert len(set(expected)) > 5


def test_where_parts_contradict_each_other_nothing_is_concluded():
    np.testing.assert_array_equal(consensus(np.array([[1.0, 2], [2.0, 1]])), [0, 0])
    np.testing.assert_array_equal(consensus(np.array([[1.0, 2], [1.0, 1]])), [-0.5, 0.5])


def test_a_large_population_is_compared_in_pieces_alike(monkeypatch):
    scores = np.random.default_rng(0).normal(size=(3, 100))
    whole = consensus(scores)
    monkeypatch.setattr(aggregate, "IN_ONE_GO", 3 * 100 * 7)
    np.testing.assert_array_equal(consensus(scores), whole)


@JOINS
def test_units_and_monotone_changes_do_not_matter(join):
    scores = np.random.default_rng(0).normal(size=(3, 20))
    np.testing.assert_allclose(join(scores), join(np.exp(3 * scores + 7)))


@JOINS
def test_a_part_in_which_all_are_equal_changes_no_order(join):
    scores = np.random.default_rng(0).normal(size=(2, 20))
    flat = join(np.vstack([scores, np.full(20, 4.0)]))
    np.testing.assert_array_equal(np.argsort(flat, kind="stable"), np.argsort(join(scores), kind="stable"))


@JOINS
def test_what_is_better_in_all_parts_is_better(join):
    scores = np.random.default_rng(0).normal(size=(3, 20))
    better = scores.copy()
    better[:, 4] = scores.max(axis=1) + 1
    assert join(better).argmax() == 4


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_has_no_rank_is_refused(bad):
    with pytest.raises(DataError, match=r"score 1 of proxy 'a' is .*, which has no rank"):
        Assembly(("a", "b"), consensus)({"a": np.array([1.0, bad]), "b": np.array([1.0, 2.0])})


def test_parts_of_different_archs_are_refused():
    with pytest.raises(DataError, match="must have scored the same archs"):
        Assembly(("a", "b"), consensus)({"a": np.ones(2), "b": np.ones(3)})


def test_parts_of_assemblies_are_proxies():
    assert all(part in PROXIES for assembly in ASSEMBLIES.values() for part in assembly.parts)
    assert not set(ASSEMBLIES) & set(PROXIES)
