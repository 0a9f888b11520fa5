"""Recursive blocks against the same passes written out, their counts, and their weights in a file."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.deployment.folding import fold
from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.counting.counts import count_layer
from vitnas.supernets.layers import build
from vitnas.supernets.layers.recursive_block import RecursiveBlock

SIDE, HEADS, HEAD_WIDTH, HIDDEN = 4, 2, 3, 7
WIDTH, TOKENS = HEADS * HEAD_WIDTH, SIDE * SIDE


def spec_of(loops: int, projection: int = 0, slices: str = "1") -> LayerSpec:
    shape = (WIDTH, SIDE, SIDE)
    sizes = {"heads": HEADS, "head_width": HEAD_WIDTH, "hidden": HIDDEN, "loops": loops, "projection": projection}
    return LayerSpec.of("recursive_block", shape, shape, slices=slices, **sizes)


@torch.no_grad()
def lively(spec: LayerSpec) -> RecursiveBlock:
    torch.manual_seed(0)
    layer = build(spec).double().eval()
    assert isinstance(layer, RecursiveBlock)
    for parameter in layer.parameters():
        parameter.copy_(0.1 + 0.4 * torch.randn_like(parameter))
    return layer


def attention(weights: dict[str, Tensor], x_TD: Tensor, groups: list[list[int]]) -> Tensor:
    """Token by token and head by head, each looking at its own group."""
    x_TD = F.layer_norm(x_TD, (WIDTH,), weights["norm.weight"], weights["norm.bias"], 1e-6)
    y_TD = torch.zeros_like(x_TD)
    for group in groups:
        for head in range(HEADS):
            q, k, v = (x_TD[group] @ weights["qkv_weight"][i, head].T + weights["qkv_bias"][i, head] for i in range(3))
            share = (q @ k.T / HEAD_WIDTH**0.5).softmax(dim=-1)
            y_TD[group] += share @ v @ weights["proj_weight"][:, head].T
    return y_TD + weights["proj_bias"]


def feed_forward(weights: dict[str, Tensor], name: str, x_TD: Tensor) -> Tensor:
    y = F.layer_norm(x_TD, (WIDTH,), weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"], 1e-6)
    y = F.gelu(y @ weights[f"{name}.expand.weight"].T + weights[f"{name}.expand.bias"])
    y = y @ weights[f"{name}.reduce.weight"].T + weights[f"{name}.reduce.bias"]
    return weights[f"{name}.sum.of_input"] * x_TD + weights[f"{name}.sum.of_branch"] * y


@torch.no_grad()
@pytest.mark.parametrize("projection", [0, 5])
@pytest.mark.parametrize("loops", [1, 3])
def test_the_passes_are_those_that_are_written_out(loops: int, projection: int) -> None:
    """Slices of the first pass are runs of places; of the others, places at equal distances."""
    layer = lively(spec_of(loops, projection, slices="4.2"))
    weights = layer.state_dict()
    x = torch.randn(1, WIDTH, SIDE, SIDE, dtype=torch.double)
    found_TD = x[0].flatten(1).T
    for i in range(loops):
        runs = [list(range(start, start + 4)) for start in range(0, TOKENS, 4)]
        groups = runs if i == 0 else [list(range(first, TOKENS, 2)) for first in range(2)]
        branch = attention(weights, found_TD, groups)
        found_TD = weights["sum.of_input"] * found_TD + weights["sum.of_branch"] * branch
        found_TD = feed_forward(weights, "ffn", found_TD)
        if projection:
            found_TD = feed_forward(weights, f"projections.{i}", found_TD)
    torch.testing.assert_close(layer(x)[0].flatten(1).T, found_TD)


@given(st.integers(1, 5), st.integers(0, 6))
def test_weights_are_counted_once_and_products_for_every_pass(loops: int, projection: int) -> None:
    one, found = count_layer(spec_of(1, projection)), count_layer(spec_of(loops, projection))
    own = 2 * projection * WIDTH + projection + WIDTH + 2 * WIDTH + 2 if projection else 0
    assert found.num_params == one.num_params + (loops - 1) * own
    assert found.macs == loops * one.macs
    attending = 4 * TOKENS * WIDTH**2 + 2 * TOKENS**2 * WIDTH
    assert one.macs == attending + 2 * TOKENS * WIDTH * (HIDDEN + projection)


def test_slices_take_fewer_products_and_no_weights() -> None:
    whole, sliced = count_layer(spec_of(2)), count_layer(spec_of(2, slices="4.2"))
    assert whole.num_params == sliced.num_params
    assert whole.macs - sliced.macs == 2 * TOKENS * WIDTH * (2 * TOKENS - TOKENS // 4 - TOKENS // 2)


def test_every_place_reaches_every_other_in_two_passes() -> None:
    layer = lively(spec_of(2, slices="4.4"))
    x = torch.randn(1, WIDTH, SIDE, SIDE, dtype=torch.double, requires_grad=True)
    (reached,) = torch.autograd.grad(layer(x)[0, :, 0, 0].sum(), x)
    assert (reached.abs().sum(dim=1) > 0).all()


def test_a_file_holds_the_weights_of_all_passes_once() -> None:
    spec = spec_of(3, slices="2")
    network = nn.Sequential(OrderedDict(block=build(spec))).eval()
    folded = fold(network, torch.zeros(2, *spec.in_shape))
    assert sum(p.numel() for p in folded.parameters()) == count_layer(spec).num_params


def test_slices_that_do_not_divide_the_map_are_refused() -> None:
    with pytest.raises(SpaceError, match="3 slices do not divide the 16 places of a 4 x 4 map; choose slices that do"):
        build(spec_of(2, slices="4.3"))
    build(spec_of(1, slices="4.3"))  # there is no second pass
