from __future__ import annotations

import itertools

import numpy as np
import pytest

from vitnas.errors import SearchError
from vitnas.nas.pareto.hypervolume import hypervolume, reference_point


def union_of_boxes(values, reference):
    """Inclusion and exclusion over all subsets of the points."""
    total = 0.0
    for size in range(1, len(values) + 1):
        for some in itertools.combinations(values, size):
            corner = np.max(some, axis=0)
            total += (-1) ** (size + 1) * float(np.prod(np.maximum(reference - corner, 0.0)))
    return total


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_is_the_union_of_the_boxes(k):
    rng = np.random.default_rng(k)
    for _ in range(10):
        values = rng.random((7, k)).round(1)  # ties too
        values[0] = 1.5  # beyond the reference
        reference = np.full(k, 0.9)
        assert hypervolume(values, reference) == pytest.approx(union_of_boxes(values, reference), abs=1e-12)


def test_nothing_below_the_reference_is_nothing():
    assert hypervolume(np.empty((0, 2)), np.ones(2)) == 0
    assert hypervolume(np.array([[0.5, 1.0], [2.0, 0.1]]), np.ones(2)) == 0


def test_reference_is_a_tenth_of_the_range_beyond_the_worst():
    values = np.array([[0.0, 5.0, 7.0], [10.0, 1.0, 7.0]])
    np.testing.assert_allclose(reference_point(values), [11.0, 5.4, 8.0])
    assert hypervolume(values, reference_point(values)) > 0


def test_bad_calls():
    with pytest.raises(SearchError, match="one reference value"):
        hypervolume(np.ones((3, 2)), np.ones(3))
    with pytest.raises(SearchError, match="finite"):
        hypervolume(np.array([[np.nan, 1.0]]), np.ones(2))
    with pytest.raises(SearchError, match="some values"):
        reference_point(np.empty((0, 2)))
