"""Stochastic depth: what is dropped, how often, and that its expectation is the whole layer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vitnas.search_spaces import SearchSpace, load_space
from vitnas.supernets.drop_path import DropPath, drop_rates, is_residual
from vitnas.supernets.supernet import Supernet


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("autoformer-mini")


class Doubled(nn.Module):
    """x + x: a branch that is linear."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_a_dropped_layer_is_the_identity_and_a_kept_one_makes_up_for_it() -> None:
    torch.manual_seed(0)
    y = DropPath(Doubled(), 0.25)(torch.ones(4000, 2, 3))
    assert torch.equal(y, y[:, :1, :1].expand_as(y)), "one draw an image"
    values = y[:, 0, 0]
    torch.testing.assert_close(values.unique(), torch.tensor([1.0, 1 + 1 / 0.75]))
    assert float(values.mean()) == pytest.approx(2, abs=0.03)


def test_rates_rise_along_the_layers_and_with_the_depth(space: SearchSpace) -> None:
    largest, smallest = (space.lower(arch) for arch in (space.largest(), space.smallest()))
    rates = drop_rates(largest, 0.3, 12)
    assert rates[0] == rates[-1] == 0, "stem and head are no residuals"
    torch.testing.assert_close(torch.tensor(rates[1:-1]), torch.linspace(0, 0.3, 12))
    assert sum(map(is_residual, smallest)) == 6
    torch.testing.assert_close(torch.tensor(drop_rates(smallest, 0.3, 12)[1:-1]), torch.linspace(0, 0.15, 6))


def test_no_rate_and_no_training_change_no_bit(space: SearchSpace) -> None:
    net, arch, x = Supernet(space), space.largest(), torch.randn(4, 1, 8, 8)
    state = torch.random.get_rng_state()
    for training, rate in ((True, 0.0), (False, 0.5)):
        net.train(training)
        assert torch.equal(net(x, arch, drop_path=rate), net(x, arch))
        assert torch.equal(net.at(arch, rate)(x), net(x, arch))
    assert torch.equal(torch.random.get_rng_state(), state), "nothing was drawn"


def test_the_seed_decides_what_is_dropped(space: SearchSpace) -> None:
    net, arch, x = Supernet(space).train(), space.largest(), torch.randn(4, 1, 8, 8)
    answers = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        answers.append(net(x, arch, drop_path=0.5))
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])
    answers[0].sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
