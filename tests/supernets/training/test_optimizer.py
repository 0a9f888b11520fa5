from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitnas.search_spaces import load_space
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.optimizer import learning_rate_at, make_optimizer

SPACE = load_space("autoformer-mini").restrict(width=(48, 64), depth=(3, 4))


@given(st.integers(1, 300), st.floats(0, 0.9))
def test_learning_rate_rises_to_its_peak_and_falls_to_almost_nothing(num_steps: int, warmup: float) -> None:
    settings = TrainSettings(learning_rate=0.5, warmup=warmup)
    rates = [learning_rate_at(step, num_steps, settings) for step in range(num_steps)]
    peak = round(warmup * num_steps)
    assert all(0 < rate <= 0.5 for rate in rates)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    if peak < num_steps:
        assert rates[peak] == 0.5


def test_learning_rate_is_half_its_peak_half_way() -> None:
    assert learning_rate_at(50, 100, TrainSettings(learning_rate=2.0, warmup=0.0)) == pytest.approx(1.0)


def test_vectors_and_biases_do_not_decay() -> None:
    net = Supernet(SPACE)
    decay = {
        id(p): group["weight_decay"]
        for group in make_optimizer(net, TrainSettings()).param_groups
        for p in group["params"]
    }
    assert len(decay) == len(list(net.parameters()))
    for name, p in net.named_parameters():
        assert decay[id(p)] == (0.0 if p.ndim == 1 or "bias" in name else 0.05), name


def test_weights_of_no_lesson_stay_and_unused_slices_decay() -> None:
    net = Supernet(SPACE, 1)
    optimizer = make_optimizer(net, TrainSettings(learning_rate=0.1, weight_decay=0.5))
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    net(torch.randn(2, 1, 8, 8), SPACE.smallest()).sum().backward()
    optimizer.step()
    after = dict(net.named_parameters())
    unused = [name for name, p in after.items() if p.grad is None]
    assert unused
    assert all(torch.equal(after[name], before[name]) for name in unused)
    name = "layers.block0_ffn-feed_forward.expand.weight"
    outside = (slice(None), slice(48, None))
    torch.testing.assert_close(after[name][outside].detach(), before[name][outside] * (1 - 0.1 * 0.5))
