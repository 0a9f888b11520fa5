from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.nas.pareto.apart import WIDTH
from vitnas.nas.targets.uncertainty import undecided


def on_front(values, limited, maxima):
    """By the definition, one pair at a time."""
    kept = [(row <= maxima).all() for row in limited]
    return [
        kept[i]
        and not any(
            kept[j] and (values[j] <= values[i]).all() and (values[j] < values[i]).any() for j in range(len(values))
        )
        for i in range(len(values))
    ]


@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), share=st.floats(0, 1))
def test_what_is_decided_stays_so_wherever_the_truth_lies(seed, n, share):
    rng = np.random.default_rng(seed)
    accuracy, ms = rng.random(n), 1 + rng.random(n)
    std = np.where(rng.random(n) < share, 0.05 * rng.random(n), 0.0)
    values, stds = np.stack([-accuracy, ms], axis=1), np.stack([np.zeros(n), std], axis=1)
    maxima = np.array([1.5])
    open_ = undecided(values, stds, values[:, 1:], stds[:, 1:], maxima)
    assert not open_[std == 0].any()
    fronts = []
    for _ in range(20):
        truth = values.copy()
        truth[:, 1] += WIDTH * std * rng.choice([-1, -0.999, 0, 0.999, 1], n)
        fronts.append(on_front(truth, truth[:, 1:], maxima))
    for i in range(n):
        if not open_[i] and std[i] > 0:
            assert len({front[i] for front in fronts}) == 1


def test_an_interval_across_the_limit_is_open_and_one_far_away_is_not():
    values = np.array([[-0.9, 1.0], [-0.95, 1.49], [-0.99, 3.0], [-0.5, 1.2]])
    stds = np.array([[0, 0.01], [0, 0.02], [0, 0.1], [0, 0.05]])
    found = undecided(values, stds, values[:, 1:], stds[:, 1:], np.array([1.5]))
    # sure of its place; across the limit; over it for sure; beaten by the first for sure
    assert found.tolist() == [False, True, False, False]


def test_without_limits_or_doubt_nothing_is_open():
    values = np.array([[-0.9, 1.0], [-0.95, 1.4]])
    none = np.empty((2, 0))
    assert not undecided(values, np.zeros((2, 2)), none, none, np.empty(0)).any()
    near = np.array([[0, 0.3], [0, 0.3]])  # either may be the faster one, so the second may beat the first
    assert undecided(values, near, none, none, np.empty(0)).tolist() == [True, False]


@pytest.mark.parametrize("n", [0, 1])
def test_few_archs(n):
    values = np.ones((n, 2))
    assert not undecided(values, values, values[:, :0], values[:, :0], np.empty(0)).any()


def by_pairs(values, stds, limited, limited_stds, maxima):
    """Every arch against every other."""
    low, high = values - WIDTH * stds, values + WIDTH * stds
    possible = (limited - WIDTH * limited_stds <= maxima).all(axis=1)
    kept = (limited + WIDTH * limited_stds <= maxima).all(axis=1)

    def beats(a, b):
        return (a <= b).all() and (a < b).any()

    def is_open(i):
        others = [j for j in range(len(values)) if j != i]
        surely = any(kept[j] and beats(high[j], low[i]) for j in others)
        perhaps = any(possible[j] and beats(low[j], high[i]) for j in others)
        doubted = (stds[i] > 0).any() or (limited_stds[i] > 0).any()
        return doubted and possible[i] and not surely and (perhaps or not kept[i])

    return [bool(is_open(i)) for i in range(len(values))]


@given(seed=st.integers(0, 10**6), n=st.integers(0, 15), k=st.integers(1, 3), q=st.integers(0, 2))
def test_only_those_that_nothing_beats_need_to_be_compared(seed, n, k, q):
    rng = np.random.default_rng(seed)
    values, limited = rng.integers(0, 5, (n, k)).astype(float), rng.random((n, q))
    stds, limited_stds = (np.where(rng.random(a.shape) < 0.6, rng.random(a.shape), 0.0) for a in (values, limited))
    given_ = values, stds, limited, limited_stds / 4, 0.2 + rng.random(q)
    assert undecided(*given_).tolist() == by_pairs(*given_)


def test_many_archs_are_compared_in_little_memory():
    import tracemalloc

    values, none = np.random.default_rng(0).random((5000, 2)), np.empty((5000, 0))
    tracemalloc.start()
    found = undecided(values, np.full((5000, 2), 0.01), none, none, np.empty(0))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.any()
    assert most < 30e6
