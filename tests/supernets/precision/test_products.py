"""Every product with a weight is seen, whichever kind its layer is, under the number that it has in the folded graph."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, fx, nn

from tests.contracts.layer_examples import KINDS, examples_of
from tests.deployment.exporters.small_network import with_statistics
from vitnas.deployment.folding import fold
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.precision.products import Handler, NormCall, ProductCall, run_layer, run_network

aten = torch.ops.aten


class Seen(Handler):
    def __init__(self) -> None:
        self.calls: list[ProductCall] = []
        self.answers: list[Tensor] = []
        self.norms: list[NormCall] = []

    def product(self, call: ProductCall) -> Tensor:
        self.calls.append(call)
        self.answers.append(super().product(call))
        return self.answers[-1]

    def norm(self, call: NormCall) -> Tensor:
        self.norms.append(call)
        return super().norm(call)


def graph_products(layer: fx.GraphModule) -> list[torch.Size]:
    """The shapes of the weights of a folded layer's products, in the order of its graph."""
    nodes = (n for n in layer.graph.nodes if n.target in (aten.linear.default, aten.conv2d.default))
    return [getattr(layer, n.args[1].target).shape for n in nodes]


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=[] if k == "slim_attention" else pytest.mark.slow) for k in KINDS],
)
def test_every_kind_has_the_products_of_its_folded_graph(kind):
    torch.manual_seed(0)
    for example in examples_of(kind):
        for spec in dict.fromkeys((example.largest, example.specs[0])):
            layer = build(spec).eval()
            with_statistics(layer)
            x = torch.randn(2, *spec.in_shape)
            plain, folded = Seen(), Seen()
            with torch.no_grad():
                expected = layer(x.clone())
                assert torch.equal(run_layer(layer, x, plain), expected)
                deployed = fold(nn.Sequential(OrderedDict(layer=layer)), x)
                run_network(deployed, x, lambda _, folded=folded: folded)
            shapes = graph_products(deployed.get_submodule("layer"))
            assert [call.weight.shape for call in plain.calls] == shapes
            assert [call.weight.shape for call in folded.calls] == shapes
            assert [call.number for call in plain.calls] == list(range(len(shapes)))


def test_products_without_a_weight_and_of_weights_alone_are_not_seen():
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.latent = nn.Linear(4, 4), nn.Parameter(torch.randn(4))

        def forward(self, x: Tensor) -> Tensor:
            constant = self.one(self.latent)  # depends on weights alone
            rows = torch.zeros(2, 4)
            rows[:] = x  # what was assigned depends on images
            return nn.functional.linear(self.one(rows), x) + (x @ x.T) + constant.sum()

    seen = Seen()
    run_layer(Layer(), torch.randn(2, 4), seen)
    assert [tuple(call.weight.shape) for call in seen.calls] == [(4, 4)]


def test_a_handler_may_replace_operands_and_affines():
    class Doubled(Handler):
        def product(self, call: ProductCall) -> Tensor:
            return call.answer(call.input, 2 * call.weight, call.bias)

        def norm(self, call: NormCall) -> Tensor:
            return call.answer(torch.zeros_like(call.weight), None)

    torch.manual_seed(0)
    layer = nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2))
    x = torch.randn(5, 3)
    with torch.no_grad():
        nn.init.zeros_(layer[0].bias)
        assert torch.allclose(run_layer(layer[1], x, Doubled()), 2 * (x @ layer[1].weight.T) + layer[1].bias)
        assert torch.equal(run_layer(layer, x, Doubled()), layer[1].bias.expand(5, 2))


def test_norms_are_numbered_as_they_come():
    spec = LayerSpec.of("feed_forward_stack", (5, 8), (5, 8), hidden=12, repeats=2, rescale=False, act="gelu")
    seen = Seen()
    run_layer(build(spec).eval(), torch.randn(2, 5, 8), seen)
    assert [call.number for call in seen.norms] == list(range(len(seen.norms)))
    assert len(seen.norms) == 2
