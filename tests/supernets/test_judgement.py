from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from vitnas.supernets.judgement import Judgement, wilson, with_interval


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    right, n = counts
    expected = binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_an_accuracy_is_read_again_and_shown() -> None:
    found = Judgement(0.9, 180, 360)
    assert Judgement.from_json(found.to_json()) == found
    assert found.to_json()["interval"] == list(found.interval)
    assert with_interval(0.9, found.interval) == "90.00% (84.7 to 93.6)"
