"""Idle feed-forward: what is deployed answers as what is trained, and costs what RePaViT says."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from vitnas.deployment.folding import fold
from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.counting.counts import count_layer
from vitnas.supernets.layers import build
from vitnas.supernets.layers.idle_feed_forward import IdleFeedForward
from vitnas.supernets.recalibration import batch_norms

TOKENS, WIDTH = 5, 8


def spec_of(active: int, hidden: int = 4 * WIDTH, width: int = WIDTH) -> LayerSpec:
    shape = (TOKENS, width)
    return LayerSpec.of("idle_feed_forward", shape, shape, hidden=hidden, active=active)


@torch.no_grad()
def lively(active: int, hidden: int = 4 * WIDTH) -> IdleFeedForward:
    torch.manual_seed(0)
    layer = build(spec_of(active, hidden)).double().eval()
    assert isinstance(layer, IdleFeedForward)
    for parameter in layer.parameters():
        parameter.copy_(0.1 + 0.4 * torch.randn_like(parameter))
    for norm in batch_norms(layer):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return layer


@torch.no_grad()
@given(st.integers(0, 24), st.integers(0, 24))
def test_the_deployed_form_answers_as_the_trained_form(active: int, idle: int) -> None:
    layer = lively(active, max(1, active + idle))
    x = torch.randn(3, TOKENS, WIDTH, dtype=torch.double)
    trained = x + layer.branch(x)  # with the statistics that are held
    torch.testing.assert_close(layer(x), trained)
    torch.testing.assert_close(layer.deployed()(x), trained)


@torch.no_grad()
def test_the_trained_form_is_an_ffn_whose_first_channels_take_the_activation() -> None:
    layer = lively(5)
    x = torch.randn(TOKENS, WIDTH, dtype=torch.double)
    first, second = layer.norm, layer.norm_hidden
    for row in x:
        normed = (row - first.running_mean) / (first.running_var + first.eps).sqrt() * first.weight + first.bias
        hidden = layer.expand.weight @ normed + layer.expand.bias
        hidden[:5] = F.gelu(hidden[:5])
        hidden = (hidden - second.running_mean) / (second.running_var + second.eps).sqrt() * second.weight + second.bias
        expected = row + layer.reduce.weight @ hidden + layer.reduce.bias
        torch.testing.assert_close(layer(row.expand(1, TOKENS, -1))[0, 0], expected)


@given(st.integers(0, 12), st.integers(1, 12), st.integers(1, 9))
def test_counts_are_parameters_as_trained_and_products_as_deployed(active: int, idle: int, width: int) -> None:
    hidden = active + idle
    counts = count_layer(spec_of(active, hidden, width))
    assert counts.num_params == 2 * hidden * width + hidden + width + 2 * (hidden + width)
    assert counts.macs == TOKENS * (width**2 + 2 * active * width)


@pytest.mark.parametrize("active", [0, 8, 16])
def test_a_folded_network_holds_the_deployed_form_alone(active: int) -> None:
    network = nn.Sequential(OrderedDict(ffn=lively(active).float())).eval()
    x = torch.randn(2, TOKENS, WIDTH)
    folded = fold(network, x)
    size = WIDTH**2 + WIDTH + (2 * active * WIDTH + active)
    assert sum(p.numel() for p in folded.parameters()) == size
    products = [n for n in folded.ffn.graph.nodes if n.target is torch.ops.aten.linear.default]
    assert len(products) == (3 if active else 1)
    torch.testing.assert_close(folded(x), network(x), rtol=1e-4, atol=1e-4)


def test_training_sees_the_batch_and_reaches_every_weight() -> None:
    layer = lively(8).train()
    before = [norm.running_mean.clone() for norm in batch_norms(layer)]
    layer(torch.randn(3, TOKENS, WIDTH, dtype=torch.double)).square().sum().backward()
    assert all(not torch.equal(norm.running_mean, old) for norm, old in zip(batch_norms(layer), before, strict=True))
    assert all(p.grad is not None and p.grad.any() for p in layer.parameters())


def test_more_active_channels_than_there_are_are_refused() -> None:
    with pytest.raises(SpaceError, match="of 8 hidden channels 9 cannot be active; choose active between 0 and hidden"):
        build(spec_of(9, 8))
