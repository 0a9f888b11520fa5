from __future__ import annotations

import numpy as np
import torch

from vitnas.predictors.metrics import kendall
from vitnas.predictors.mlp import MEMBERS, MLPRegressor, _loss


def test_loss_is_least_at_the_truth():
    true = torch.randn(20, generator=torch.Generator().manual_seed(0))
    seen = torch.ones(2, 20)

    def loss(predicted):
        return float(_loss(predicted, true, seen, 1.0, torch.Generator().manual_seed(1)))

    best = loss(true.expand(2, 20))
    for other in (1.2 * true, true + 0.3, torch.zeros(20), -true):
        assert loss(other.expand(2, 20)) > best


def test_what_a_member_may_not_see_is_no_part_of_its_loss():
    true = torch.randn(20, generator=torch.Generator().manual_seed(0))
    predicted = true.repeat(2, 1).requires_grad_()
    seen = torch.ones(2, 20)
    seen[1, :10] = 0
    with torch.no_grad():
        predicted += 0.1 * torch.arange(20)
    _loss(predicted, true, seen, 1.0, torch.Generator().manual_seed(1)).backward()
    assert (predicted.grad[1, :10] == 0).all()
    assert (predicted.grad[1, 10:] != 0).any()
    assert (predicted.grad[0, :10] != 0).any()


def test_learns_a_bend_and_is_unsure_beyond_it():
    rng = np.random.default_rng(0)
    X, other = rng.uniform(-1, 1, (150, 3)), rng.uniform(-1, 1, (100, 3))
    found = MLPRegressor().fit(X, X[:, 0] ** 2 + X[:, 1])
    assert kendall(found.predict(other).mean, other[:, 0] ** 2 + other[:, 1]) > 0.85
    assert found.predict(5 * other).std.mean() > 2 * found.predict(other).std.mean()
    assert found._by_member(other).shape == (MEMBERS, 100)


def test_fits_alike_whatever_was_drawn_before():
    X = np.random.default_rng(0).normal(size=(30, 3))
    first = MLPRegressor().fit(X, X[:, 0]).predict(X).mean
    state = torch.get_rng_state()
    torch.manual_seed(123)
    np.testing.assert_array_equal(MLPRegressor().fit(X, X[:, 0]).predict(X).mean, first)
    torch.set_rng_state(state)
