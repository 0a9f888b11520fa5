from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import DataError
from vitnas.predictors import Prediction, Predictor
from vitnas.predictors.metrics import compare, hold_out, kendall, mae, spearman, top_regret
from vitnas.search_spaces import load_space

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


def test_every_arch_is_predicted_by_a_fit_without_it():
    space = load_space("autoformer-mini")
    codes = np.unique(space.genome.sample(23, np.random.default_rng(0)), axis=0)
    seen: list[set[bytes]] = []

    class Memory(Predictor):
        name = "memory"

        def _fit(self, codes, scores):
            self.known = {row.tobytes() for row in codes}
            seen.append(self.known)

        def _predict(self, codes):
            return np.array([float(row.tobytes() in self.known) for row in codes]), np.ones(len(codes))

        def _state(self):
            return {}

        def _restore(self, arrays):
            pass

    found = hold_out(lambda: Memory(space), codes, np.arange(float(len(codes))), folds=5)
    assert found.mean.sum() == 0
    assert sum(len(codes) - len(known) for known in seen) == len(codes)
    with pytest.raises(DataError, match="evaluate at least 6"):
        hold_out(lambda: Memory(space), codes[:4], np.arange(4.0))


def test_a_predictor_that_ranks_no_better_than_size_says_so_loudly():
    rng = np.random.default_rng(0)
    true = rng.normal(size=50)
    good, poor = true + 0.1 * rng.normal(size=50), true + rng.normal(size=50)
    assert compare(good, true, num_params=poor).warning is None
    assert "NO BETTER THAN THE NUMBER OF PARAMETERS" in (compare(poor, true, num_params=good).warning or "")
    # A loss falls with size: what counts is how well size ranks, not in which direction.
    assert "NO BETTER" in (compare(-poor, -true, num_params=good).warning or "")
    assert "CANNOT RANK" in (compare(-good, true, num_params=poor).warning or "")
    assert "CANNOT RANK" in (compare(np.ones(50), true).warning or "")


def test_coverage_counts_true_scores_inside_the_intervals():
    predicted = Prediction(np.zeros(4), np.ones(4))
    assert compare(predicted, [0.0, 1.6, -1.7, 9.0]).covered == 0.5
