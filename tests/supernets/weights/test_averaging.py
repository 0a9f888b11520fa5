from __future__ import annotations

import torch
from torch import nn

from vitnas.supernets.weights.averaging import WeightAverage


def test_the_average_is_the_weighted_sum_of_what_it_saw() -> None:
    net = nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(0.0)
    average = WeightAverage(net, decay=0.5)
    expected = 0.0
    for step, value in enumerate((1.0, 3.0, -2.0, 8.0), start=1):
        net.weight.data.fill_(value)
        average.update()
        kept = min(0.5, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
    torch.testing.assert_close(average.weights["weight"].item(), expected)


def test_in_place_it_stands_for_the_weights_and_then_gives_them_back() -> None:
    net = nn.Linear(2, 2)
    average = WeightAverage(net, decay=0.9)
    before = net.weight.detach().clone()
    net.weight.data.add_(1)
    moved = net.weight.detach().clone()
    with average.in_place():
        assert torch.equal(net.weight, before)
    assert torch.equal(net.weight, moved)
