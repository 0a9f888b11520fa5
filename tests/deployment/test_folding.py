"""Folding changes no answer, leaves no norm behind that could go, and knows no kind of layer."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.contracts.layer_examples import KINDS, examples_of
from tests.deployment.exporters.small_network import BLUEPRINT, pictures, small_network, with_statistics
from vitnas.deployment.folding import LARGEST_TABLE, fold
from vitnas.deployment.verification import answers, compare
from vitnas.errors import ExportError
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build

aten = torch.ops.aten


def operators(network: nn.Module) -> list[object]:
    return [node.target for layer in network.children() for node in layer.graph.nodes if node.op == "call_function"]


def one(layer: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layer=layer.eval()))


def assert_same(network: nn.Module, deployed: nn.Module, x: Tensor, most: float = 1e-5) -> None:
    expected = answers(network, x).flatten(1)
    found = answers(deployed, x).flatten(1)
    assert compare(expected, found, torch.zeros(len(x))).max_difference <= most


def test_a_network_keeps_its_answers_and_its_sites():
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    deployed = fold(network, pictures(2))
    assert [name for name, _ in deployed.named_children()] == list(BLUEPRINT.sites)
    assert_same(network, deployed, pictures(7, seed=3))
    assert aten.batch_norm.default not in operators(deployed)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_layers_of_one_spec_keep_their_own_weights():
    spec = LayerSpec.of("feed_forward", (5, 8), (5, 8), hidden=16)
    network = nn.Sequential(OrderedDict(a=build(spec), b=build(spec))).eval()
    nn.init.normal_(network.a.reduce.weight)
    nn.init.normal_(network.b.reduce.weight)
    assert_same(network, fold(network, torch.zeros(2, 5, 8)), torch.randn(3, 5, 8))


class Branches(nn.Module):
    """A norm before a convolution that pads, one before one that does not, a scale after it, and a dead end."""

    def __init__(self) -> None:
        super().__init__()
        self.padded = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1))
        self.plain = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 1, bias=False))
        self.scale = nn.Parameter(torch.randn(6, 1, 1))
        self.linear = nn.Linear(6, 6)
        self.factor = nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.plain(self.padded(x)) * self.scale
        z = self.linear(y.flatten(2).transpose(1, 2)) * self.factor
        return z + y.flatten(2).transpose(1, 2)


def test_norms_and_scales_join_what_they_may_join():
    torch.manual_seed(0)
    layer = Branches()
    with_statistics(layer)
    network = one(layer)
    deployed = fold(network, torch.zeros(2, 4, 5, 5))
    assert_same(network, deployed, torch.randn(3, 4, 5, 5))
    assert operators(deployed).count(aten.batch_norm.default) == 1  # zeros around a padded map are not normalised
    assert aten.mul.Tensor not in operators(deployed)


class ScaleFirst(nn.Module):
    """x + scale * conv(x), as residual branches write it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.scale = nn.Conv2d(3, 3, 1), nn.Parameter(torch.randn(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.conv(x)


def test_a_scale_may_be_written_first():
    network = one(ScaleFirst())
    deployed = fold(network, torch.zeros(2, 3, 4, 4))
    assert_same(network, deployed, torch.randn(3, 3, 4, 4))
    assert aten.mul.Tensor not in operators(deployed)


class TwoReaders(nn.Module):
    """The map between convolution and norm is read by somebody else as well, openly or under another name."""

    def __init__(self, hidden: bool) -> None:
        super().__init__()
        self.hidden = hidden
        self.conv, self.norm = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y[:, 0:]) + y[:, 0:] if self.hidden else self.norm(y) + y


@pytest.mark.parametrize("hidden", [False, True])
def test_a_map_that_others_read_is_left_alone(hidden):
    layer = TwoReaders(hidden)
    with_statistics(layer)
    network = one(layer)
    assert_same(network, fold(network, torch.zeros(2, 2, 4, 4)), torch.randn(3, 2, 4, 4))


class Table(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(size))

    def forward(self, x: Tensor) -> Tensor:
        return F.softmax(x @ (self.values[:, None] * self.values), dim=-1)


@pytest.mark.parametrize(("size", "known"), [(8, True), (1024, False)])
def test_what_follows_from_weights_is_known_unless_it_is_far_larger(size, known):
    network = one(Table(size))
    deployed = fold(network, torch.zeros(2, 3, size))
    assert_same(network, deployed, torch.randn(2, 3, size))
    assert (aten.mul.Tensor not in operators(deployed)) == known == (size**2 <= LARGEST_TABLE)


class Choice(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_a_layer_that_cannot_be_traced_is_named():
    with pytest.raises(ExportError, match=r"layer 'layer' \(Choice\) cannot be traced"):
        fold(one(Choice()), torch.zeros(2, 3))


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[] if k in ("large_kernel", "mbconv") else pytest.mark.slow) for k in KINDS]
)
def test_every_kind_of_layer(kind):
    torch.manual_seed(0)
    for example in examples_of(kind):
        layer = build(example.largest)
        with_statistics(layer)
        network = one(layer).double()  # so that nothing is left to rounding
        x = torch.randn(3, *example.largest.in_shape, dtype=torch.float64)
        assert_same(network, fold(network, x), x, 1e-9)
