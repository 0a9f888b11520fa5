from __future__ import annotations

import numpy as np

from vitnas.predictors.regressor import deal
from vitnas.predictors.trees import FOLDS, TreesRegressor


def steps(n, seed=0):
    X = np.random.default_rng(seed).uniform(-1, 1, (n, 4))
    return X, 2.0 * (X[:, 0] > 0.2) + 1.0 * (X[:, 1] > -0.3) * (X[:, 2] > 0) + 0.5 * X[:, 3]


def test_learns_steps_that_a_line_cannot():
    (X, y), (other, true) = steps(300), steps(200, 1)
    found = TreesRegressor().fit(X, y)
    trees = np.abs(found.predict(other).mean - true).mean()
    line = found._ridge.predict(other).mean * found._unit + found._offset
    assert trees < 0.7 * np.abs(line - true).mean()


def test_goes_on_along_the_line_beyond_what_was_seen():
    X = np.linspace(0, 1, 60)[:, None]
    far = TreesRegressor().fit(X, X[:, 0]).predict(np.array([[1.0], [3.0]])).mean
    assert far[1] > far[0] + 0.5


def test_a_row_is_judged_by_the_booster_that_has_not_seen_it():
    X, y = steps(80)
    found = TreesRegressor().fit(X, y)
    fold_of = deal(80, FOLDS)
    own = np.stack([booster.predict(X.astype(np.float32)) for booster in found._boosters])[fold_of, np.arange(80)]
    expected = found.chosen["trend"] * found._ridge.held_out.mean + own
    np.testing.assert_allclose((found.held_out.mean - found._offset) / found._unit, expected, rtol=1e-6)
