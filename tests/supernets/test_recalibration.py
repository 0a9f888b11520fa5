from __future__ import annotations

import numpy as np
import torch
from torch import nn

from vitnas.supernets.data import Images, Pixels
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.recalibration import batch_norms, recalibrate


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4, momentum=0.3),
        nn.Dropout(0.5),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 10),
    )


def images(n: int = 150) -> Images:
    noise = np.random.default_rng(1).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)
    return Pixels.of(noise, np.arange(n) % 10, mean=(-0.5,), std=(0.3,))


def test_statistics_are_the_mean_over_the_batches() -> None:
    net, data = network(), images()
    recalibrate(net, data, num_batches=2, batch_size=64)
    with torch.no_grad():
        seen = net[0](data.sample(128).shuffled().all()[0]).reshape(2, 64, 4, -1)
    torch.testing.assert_close(net[1].running_mean, seen.mean(dim=(0, 1, 3)))
    torch.testing.assert_close(net[1].running_var, seen.transpose(1, 2).flatten(2).var(dim=2).mean(dim=0))


def test_only_statistics_change_and_twice_is_as_once() -> None:
    net = network().train()
    net[2].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    recalibrate(net, images())
    once = {name: value.clone() for name, value in net.state_dict().items()}
    recalibrate(net, images())
    changed = {name for name in before if not torch.equal(before[name], once[name])}
    assert changed == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    assert all(torch.equal(once[name], value) for name, value in net.state_dict().items())
    assert [m.training for m in net] == [True, True, False, True, True, True]
    assert net[1].momentum == 0.3
    assert all(p.grad is None for p in net.parameters())


def test_weights_of_any_rank_keep_their_layout() -> None:
    class Five(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1, 1, 2, 1, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.weight.sum()

    net = nn.Sequential(Five(), *network())
    recalibrate(net, images(), num_batches=1)
    assert all(p.is_contiguous() for p in net.parameters())
    assert net[2].running_mean.abs().max() > 0


def test_dropout_stays_off() -> None:
    net, data = network().train(), images()
    stacked = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(1), *net)
    recalibrate(stacked, data, num_batches=1, batch_size=150)
    torch.testing.assert_close(stacked[1].running_mean, data.all()[0].mean().reshape(1))


def test_statistics_matter_for_what_is_judged() -> None:
    net, data = network(), images()
    stale = evaluate(net, data).loss
    recalibrate(net, data)
    assert evaluate(net, data).loss != stale


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    net = network()
    recalibrate(net, images(10))
    assert net[1].num_batches_tracked == 1


def test_a_network_without_batch_norm_is_left_alone() -> None:
    assert batch_norms(nn.Linear(2, 2)) == []
    recalibrate(nn.Linear(2, 2), images())
