from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

from vitnas.predictors import gp
from vitnas.predictors.gp import GPRegressor


def data(n, seed=0, noise=0.05):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    return X, X[:, 0] + np.sin(2 * X[:, 1]) + 0.3 * X[:, 2] * X[:, 3] + noise * rng.normal(size=n)


@pytest.mark.filterwarnings("ignore:divide by zero")  # the logarithm of a dot product's offset of 0
def test_equals_an_exact_process_of_the_same_kernel():
    (X, y), (other, _) = data(80), data(40, 1)
    ours = GPRegressor((3, 2)).fit(X, y)
    Z, others = ((A - ours._center) * ours._weights for A in (X, other))
    kernel = (
        ConstantKernel(ours._line) * DotProduct(0.0) + ConstantKernel(ours._bend) * RBF(1.0) + WhiteKernel(ours._noise)
    )
    theirs = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-9).fit(Z, (y - ours._offset) / ours._unit)
    mean, std = theirs.predict(others, return_std=True)
    found = ours.predict(other)
    np.testing.assert_allclose(found.mean, mean * ours._unit + ours._offset, atol=2e-3 * y.std())
    np.testing.assert_allclose(found.std, std * ours._unit * ours._stretch, rtol=2e-2)


def test_leaves_each_row_out_as_a_fit_without_it_would():
    X, y = data(40)
    ours = GPRegressor().fit(X, y)
    Z, t = (X - ours._center) * ours._weights, (y - ours._offset) / ours._unit
    held_out = (ours.held_out.mean - ours._offset) / ours._unit
    for i in range(0, 40, 7):
        rest = np.arange(40) != i
        K = ours._kernel(Z, Z)
        weights = np.linalg.solve(K[np.ix_(rest, rest)] + ours._noise * np.eye(39), t[rest])
        assert held_out[i] == pytest.approx(K[i, rest] @ weights, abs=1e-4)


def test_gradient_is_that_of_the_evidence():
    X, y = data(30)
    inner = np.stack([X[:, :3] @ X[:, :3].T, X[:, 3:] @ X[:, 3:].T])
    prior, width = np.array([0.1, -0.2, -2.0, 0.5, 0.9]), np.array([3.0, 2.0, 2.0, 1.0, 1.0])
    at = prior + np.array([0.3, 0.2, -0.4, 0.1, -0.2])
    _, gradient = gp._cost(at, inner, y, prior, width)
    numeric = approx_fprime(at, lambda logs: gp._cost(logs, inner, y, prior, width)[0], 1e-6)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-3, atol=1e-3)


def test_rows_that_are_no_landmarks_are_learned_from_too(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, (500, 5)).astype(float)  # bounded, as choices are
    true = X[:, 0] + 0.5 * np.sin(X[:, 1]) + 0.2 * X[:, 2] * X[:, 3]
    y = true + 0.3 * rng.normal(size=500)
    monkeypatch.setattr(gp, "MOST_LANDMARKS", 100)
    found = GPRegressor().fit(X[:300], y[:300])
    assert len(found._landmarks) == 100
    alone = [GPRegressor().fit(X[i:300:3], y[i:300:3]).predict(X[300:]).mean for i in range(3)]
    assert np.abs(found.predict(X[300:]).mean - true[300:]).mean() < min(np.abs(a - true[300:]).mean() for a in alone)


def test_landmarks_are_spread_out(monkeypatch):
    monkeypatch.setattr(gp, "MOST_LANDMARKS", 3)
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    Z = np.repeat(centres, 30, axis=0) + 0.01 * rng.normal(size=(90, 2))

    def kernel(A, B):
        return np.exp(-((A[:, None] - B[None]) ** 2).sum(axis=2) / 2)

    assert sorted(gp._spread_out(kernel, Z, 0.1) // 30) == [0, 1, 2]


def test_features_that_never_change_are_ignored():
    (X, y), (other, _) = data(50), data(20, 1)
    constant = np.full((50, 2), 7.0)
    with_more = GPRegressor((5, 2)).fit(np.hstack([X, constant]), y)
    moved = with_more.predict(np.hstack([other, np.full((20, 2), 1e3)]))
    np.testing.assert_allclose(moved.mean, GPRegressor((5,)).fit(X, y).predict(other).mean, atol=2e-2 * y.std())
