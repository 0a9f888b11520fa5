from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge as SklearnRidge

from vitnas.predictors.features import FeaturesAndProducts
from vitnas.predictors.ridge import Ridge
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")


def sample(n, seed=0):
    return np.unique(SPACE.genome.sample(n, np.random.default_rng(seed)), axis=0)


def test_recovers_a_linear_function():
    codes, other = sample(300), sample(200, 1)
    features = FeaturesAndProducts(SPACE)
    weights = np.random.default_rng(2).normal(size=features.width) / features(codes).std(axis=0).clip(1e-3)
    found = Ridge(SPACE).fit(codes, features(codes) @ weights).predict(other).mean
    true = features(other) @ weights
    np.testing.assert_allclose(found, true, atol=1e-2 * true.std())


def test_equals_plain_ridge_regression_at_its_penalty():
    codes, other = sample(80), sample(50, 1)
    y = np.random.default_rng(3).normal(size=len(codes)) + codes[:, 0]
    ours = Ridge(SPACE).fit(codes, y)
    features = FeaturesAndProducts(SPACE)
    X = features(codes)
    center, scale = X.mean(axis=0), np.where(X.std(axis=0) > 1e-12, X.std(axis=0), 1)
    theirs = SklearnRidge(alpha=ours._regressor._penalty).fit((X - center) / scale, y)
    np.testing.assert_allclose(ours.predict(other).mean, theirs.predict((features(other) - center) / scale), rtol=1e-6)


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    features = FeaturesAndProducts(SPACE)
    inside = []
    for _ in range(20):
        train, held = sample(120, rng), sample(200, rng)
        weights = rng.normal(size=features.width) / features(train).std(axis=0).clip(1e-3)
        noise = 0.5 * (features(train) @ weights).std()
        predicted = (
            Ridge(SPACE).fit(train, features(train) @ weights + noise * rng.normal(size=len(train))).predict(held)
        )
        true = features(held) @ weights + noise * rng.normal(size=len(held))
        inside.append((np.abs(predicted.mean - true) < 1.645 * predicted.std).mean())
    assert 0.85 < np.mean(inside) < 0.95


def test_pure_noise_is_not_believed():
    codes = sample(120)
    y = np.random.default_rng(0).normal(size=len(codes))
    predicted = Ridge(SPACE).fit(codes, y).predict(sample(500, 1))
    assert predicted.mean.std() < 0.4
    assert 0.8 < predicted.std.mean() < 1.4
