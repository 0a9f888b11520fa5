"""The ladder: each level is no worse than the one below where that can be promised, and leaves what stays in float alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.supernets.precision.networks import alone, images, network
from vitnas.errors import SettingsError
from vitnas.search_spaces.precision import Precision
from vitnas.supernets.precision.ladder import LEVELS, ladder
from vitnas.supernets.precision.operands import CallRecorder, Operands, record
from vitnas.supernets.precision.products import run_layer
from vitnas.supernets.precision.quantised import QuantisedLayer, quantised
from vitnas.supernets.precision.ranges import Ranges, calibrate
from vitnas.supernets.precision.reconstruction import reconstructed
from vitnas.supernets.precision.ridge import ProductRows, ridged
from vitnas.supernets.precision.rounding import rounded_activation, rounded_weight

W4A4 = Precision.of("w4a4")


def inner(net: nn.Sequential) -> list[str]:
    return [site for site, _ in net.named_children()][1:-1]


@torch.no_grad()
def off(net: nn.Module, found: nn.Module, x: torch.Tensor) -> float:
    return float((found(x) - net(x)).square().mean())


def test_levels_come_nearer():
    net, x, others = network(), images(128), images(64, 9)
    precisions = dict.fromkeys(inner(net), W4A4)
    plain = quantised(net, precisions, calibrate(net, [x]))
    levels = [plain, *(ladder(net, precisions, x, level, num_steps=30).network for level in LEVELS)]
    seen, unseen = ([off(net, found, images) for found in levels] for images in (x, others))
    assert seen[0] > seen[1] > seen[2] > seen[3]
    assert unseen[0] > unseen[1] > unseen[2] > unseen[3]


def test_what_stays_in_float_is_the_same_module():
    net = network()
    site = inner(net)[1]
    found = ladder(net, {site: Precision.of("w8a8")}, images(8), "L1")
    for (name, before), (_, after) in zip(net.named_children(), found.network.named_children(), strict=True):
        assert (after is before) == (name != site)
    assert {place[0] for place in found.ranges} == {site}
    assert {place[0] for place in found.strengths} == {site}


@pytest.mark.parametrize("level", LEVELS)
def test_its_parts_make_the_same_network(level):
    net, x = network(), images(16)
    precisions = dict.fromkeys(inner(net), W4A4)
    found = ladder(net, precisions, x, level, num_steps=3)
    again = quantised(net, precisions, found.ranges, found.operands)
    with torch.no_grad():
        assert torch.allclose(again(x), found.network(x), atol=1e-5)


@pytest.mark.parametrize("name", ["w8", "w4", "p4"])
@pytest.mark.parametrize("level", LEVELS)
def test_weights_alone(name, level):
    net = network()
    site = inner(net)[0]
    found = ladder(net, {site: Precision.of(name)}, images(16), level, num_steps=3)
    layer = found.network.get_submodule(site)
    assert isinstance(layer, QuantisedLayer)
    assert found.strengths == {}
    for product in layer.products:
        assert product.codes is None
        assert (product.step is None) == (name == "p4")
        assert len(product.weight[0].unique()) <= max(2 ** Precision.of(name).weight_bits, 64)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["attention", "mbconv", "convnext_block", "value_conv_attention"])
@pytest.mark.parametrize("name", ["w4a4", "w4"])
def test_ridge_is_never_worse_where_it_was_fitted(kind, name):
    net, x = alone(kind)
    precision, layer = Precision.of(name), net[0]
    seen, _ = record("layer", layer, x, Operands())
    ranges = calibrate(net, [x])
    operands = ridged("layer", layer, (x, x + 0.05 * torch.randn_like(x)), precision, ranges, Operands())
    # The first product is given what it was fitted to; others were fitted behind it.
    call = seen.calls[0]
    rows = ProductRows.of(call, call.input, seen.answers[0])
    weight, bias = operands.products["layer", 0]
    free = rows.fit(call.weight, call.bias)
    assert rows.error(*free) <= rows.error(call.weight, call.bias) + 1e-9
    assert len(operands.products) == len(seen.calls)
    assert weight.shape == call.weight.shape
    assert bias is None or bias.shape == call.weight.shape[:1]


@torch.no_grad()
@pytest.mark.parametrize(("kind", "name"), [("feed_forward", "w4a4"), ("mbconv", "w3a8"), ("patch_embedding", "w4")])
def test_ridge_answers_better_than_rounding_alone(kind, name):
    net, x = alone(kind)
    precision, layer, ranges = Precision.of(name), net[0], calibrate(net, [x])
    seen, _ = record("layer", layer, x, Operands())
    operands = ridged("layer", layer, (x, x), precision, ranges, Operands())
    call = seen.calls[0]
    inputs = call.input if not precision.integer else _rounded(call.input, ranges, precision)
    rows = ProductRows.of(call, inputs, seen.answers[0])
    weight, bias = operands.products["layer", 0]
    found = rows.error(rounded_weight(weight, precision), bias)
    assert found <= rows.error(rounded_weight(call.weight, precision), call.bias)


def _rounded(x: torch.Tensor, ranges: Ranges, precision: Precision) -> torch.Tensor:
    bits = precision.activation_bits
    return rounded_activation(x, *ranges.codes(("layer", 0), bits), bits)


@torch.no_grad()
def test_least_squares_by_hand():
    call = CallRecorder("a", Operands())
    linear = nn.Linear(2, 1)
    linear.weight.copy_(torch.tensor([[1.0, 0.0]]))
    linear.bias.zero_()
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    run_layer(linear, x, call)
    rows = ProductRows.of(call.calls[0], x, x @ torch.tensor([[1.0], [2.0]]) + 3)
    weight, bias = rows.fit(linear.weight, linear.bias)
    assert torch.allclose(weight, torch.tensor([[1.0, 2 / 1.01]]), atol=1e-4)  # lambda is a hundredth of the diagonal
    assert torch.allclose(bias, torch.tensor([3.0]))


@pytest.mark.parametrize("kind", ["attention", "map_attention"])
def test_a_layer_learns_its_answers(kind):
    net, x = alone(kind)
    x = x.repeat(4, *[1] * (x.ndim - 1)) + 0.1 * torch.randn(16, *x.shape[1:])
    ranges = calibrate(net, [x])
    operands = reconstructed("layer", net[0], (x, x), W4A4, ranges, Operands(), num_steps=30)
    before = off(net, quantised(net, {"layer": W4A4}, ranges), x)
    assert off(net, quantised(net, {"layer": W4A4}, ranges, operands), x) < 0.9 * before


def test_an_unknown_level_is_refused():
    with pytest.raises(SettingsError, match="no level 'L3' of quantisation"):
        ladder(network(), {}, images(2), "L3")  # type: ignore[arg-type]
