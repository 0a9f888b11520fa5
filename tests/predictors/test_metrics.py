from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import DataError
from vitnas.predictors.metrics import compare, kendall, mae, spearman, top_regret

numbers = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=25)


def tau_b_by_pairs(p, t):
    """The definition, pair by pair."""
    n = len(p)
    signs = [(np.sign(p[i] - p[j]), np.sign(t[i] - t[j])) for i in range(n) for j in range(i)]
    both = sum(a * b for a, b in signs)
    return both / np.sqrt(sum(a != 0 for a, _ in signs) * sum(b != 0 for _, b in signs))


@given(numbers)
def test_kendall_is_tau_b(pairs):
    p, t = (np.array(side, float) for side in zip(*pairs, strict=True))
    expected = 0.0 if np.ptp(p) == 0 or np.ptp(t) == 0 else tau_b_by_pairs(p, t)
    assert kendall(p, t) == pytest.approx(expected)


@given(numbers)
def test_spearman_is_the_correlation_of_ranks(pairs):
    p, t = (np.array(side, float) for side in zip(*pairs, strict=True))
    if np.ptp(p) == 0 or np.ptp(t) == 0:
        assert spearman(p, t) == 0.0
        return
    ranks = [[(np.sum(x < v) + np.sum(x <= v) + 1) / 2 for v in x] for x in (p, t)]
    assert spearman(p, t) == pytest.approx(np.corrcoef(ranks)[0, 1])


def test_perfect_reversed_and_offset():
    t = np.arange(20.0)
    assert (kendall(t, t), spearman(t, t), mae(t, t), top_regret(t, t)) == (1.0, pytest.approx(1.0), 0.0, 0.0)
    assert kendall(-t, t) == -1.0
    assert mae(t + 2, t) == 2.0
    assert top_regret(-t, t) == 10.0  # the ten predicted best are 0 to 9, the best is 19
    assert compare(t, t).num_archs == 20


def test_lists_that_do_not_match_are_refused():
    for p, t in (([1.0], [1.0]), ([1.0, 2.0], [1.0, 2.0, 3.0]), (np.ones((2, 2)), np.ones((2, 2)))):
        with pytest.raises(DataError, match="two lists"):
            compare(p, t)
