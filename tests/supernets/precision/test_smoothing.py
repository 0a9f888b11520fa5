"""Smoothing changes no answer in float, finds who reads a norm, and is undone by nobody who reads it too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.supernets.precision.networks import EACH_KIND, alone, network
from vitnas.supernets.precision.operands import Operands, record
from vitnas.supernets.precision.smoothing import STRENGTHS, readers_of, smoothed

BY_HAND = {
    "attention": [(0, (0,))],
    "slim_attention": [(0, (0, 1))],
    "feed_forward": [(0, (0,))],
    "feed_forward_stack": [(0, (0,))],
    "map_attention": [(0, (0,))],
    "convnext_block": [(0, (1,))],
    "mbconv": [],
}


def moved(site: str, layer: nn.Module, x: Tensor, strength: float) -> Tensor:
    operands = Operands()
    for readers in readers_of(site, layer, x):
        seen, _ = record(site, layer, x, operands)
        operands = readers.scaled(operands, seen, readers.scales(strength))
    return record(site, layer, x, operands)[1]


@torch.no_grad()
@pytest.mark.parametrize("kind", EACH_KIND)
def test_no_kind_answers_otherwise(kind):
    net, x = alone(kind)
    expected = net(x)
    for strength in STRENGTHS:
        found = moved("layer", net[0], x, strength)
        assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


@pytest.mark.parametrize(("kind", "expected"), BY_HAND.items())
def test_readers_are_found(kind, expected):
    net, x = alone(kind)
    assert [(one.norm, one.products) for one in readers_of("layer", net[0], x)] == expected


class AlsoRead(nn.Module):
    """A norm whose answer is added to what a product makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return y + self.linear(y)


def test_a_norm_that_others_read_is_left_alone():
    torch.manual_seed(0)
    assert readers_of("a", AlsoRead().eval(), torch.randn(3, 5, 6)) == []


@torch.no_grad()
def test_all_channels_are_alike_at_full_strength():
    layer, x = network().get_submodule("block1_ffn"), torch.randn(4, 5, 48)
    (readers,) = readers_of("a", layer, x)
    seen, _ = record("a", layer, x, Operands())
    after, _ = record("a", layer, x, readers.scaled(Operands(), seen, readers.scales(1.0)))
    largest = after.calls[0].input.flatten(0, -2).abs().amax(dim=0)
    assert torch.allclose(largest, largest[0].expand_as(largest), rtol=1e-3)


def test_the_best_strength_is_taken():
    layer, x = network().get_submodule("block1_ffn"), torch.randn(4, 5, 48)
    (readers,) = readers_of("a", layer, x)
    wanted = readers.scales(0.75)

    def error(operands: Operands) -> float:
        if not operands.norms:
            return 1.0
        weight = operands.norms["a", 0][0] / layer.norm.weight.detach()
        return float((weight * wanted - 1).abs().max())

    operands, strengths = smoothed("a", layer, x, Operands(), error)
    assert strengths == {0: 0.75}
    assert error(operands) < 1e-5
    nothing, strengths = smoothed("a", layer, x, Operands(), lambda operands: float(bool(operands.norms)))
    assert (nothing, strengths) == (Operands(), {0: 0.0})
