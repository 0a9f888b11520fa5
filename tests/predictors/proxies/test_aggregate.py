"""Ranks added up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vitnas.errors import DataError
from vitnas.predictors.proxies import PROXIES
from vitnas.predictors.proxies.aggregate import ASSEMBLIES, assemble, log_rank


def test_log_ranks_by_hand():
    np.testing.assert_allclose(log_rank(np.array([5.0, -1.0, 7.0, 5.0])), np.log([2.5 / 4, 1 / 4, 1, 2.5 / 4]))


def test_to_be_bad_in_one_thing_costs_more_than_to_be_good_in_another_gains():
    first, second = np.array([1.0, 2, 3]), np.array([3.0, 2, 1])
    found = assemble({"a": first, "b": second})
    assert found[1] > found[0] == found[2]
    assert found[1] == pytest.approx(math.log(2 / 3))


def test_units_and_monotone_changes_do_not_matter():
    rng = np.random.default_rng(0)
    parts = {name: rng.normal(size=20) for name in "abc"}
    changed = {name: np.exp(3 * values + 7) for name, values in parts.items()}
    np.testing.assert_allclose(assemble(parts), assemble(changed))


def test_a_part_in_which_all_are_equal_changes_no_order():
    rng = np.random.default_rng(0)
    parts = {name: rng.normal(size=20) for name in "ab"}
    flat = assemble({**parts, "c": np.full(20, 4.0)})
    np.testing.assert_array_equal(np.argsort(flat), np.argsort(assemble(parts)))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_has_no_rank_is_refused(bad):
    with pytest.raises(DataError, match=r"score 1 of proxy 'a' is .*, which has no rank"):
        assemble({"a": np.array([1.0, bad]), "b": np.array([1.0, 2.0])})


def test_parts_of_different_archs_are_refused():
    with pytest.raises(DataError, match="must have scored the same archs"):
        assemble({"a": np.ones(2), "b": np.ones(3)})


def test_parts_of_assemblies_are_proxies():
    assert all(part in PROXIES for parts in ASSEMBLIES.values() for part in parts)
    assert not set(ASSEMBLIES) & set(PROXIES)
