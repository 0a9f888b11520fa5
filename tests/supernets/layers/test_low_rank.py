"""Products of low rank against the weight that they stand for, at full rank against plain layers, and what they cost."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.counting.counts import count_layer
from vitnas.supernets.layers import Layer, build
from vitnas.supernets.layers.low_rank import LowRankProduct, keep_apart
from vitnas.supernets.weights.pretrained.deit import slimmed
from vitnas.supernets.weights.pretrained.low_rank import at_full_rank

TOKENS, WIDTH, HEADS, HEAD_WIDTH, HIDDEN = 5, 12, 2, 6, 20
SHAPE = (TOKENS, WIDTH)
ATTENTION = LayerSpec.of("attention", SHAPE, SHAPE, heads=HEADS, head_width=HEAD_WIDTH, reach=0)
FEED_FORWARD = LayerSpec.of("feed_forward", SHAPE, SHAPE, hidden=HIDDEN)


def attention(rank: int, heads: int = HEADS) -> LayerSpec:
    return LayerSpec.of("low_rank_attention", SHAPE, SHAPE, heads=heads, head_width=HEAD_WIDTH, rank=rank)


def feed_forward(rank: int, hidden: int = HIDDEN) -> LayerSpec:
    return LayerSpec.of("low_rank_feed_forward", SHAPE, SHAPE, hidden=hidden, rank=rank)


@torch.no_grad()
def lively(spec: LayerSpec) -> Layer:
    torch.manual_seed(0)
    layer = build(spec).eval()
    for parameter in layer.parameters():
        parameter.normal_(0, (parameter[0].numel() if parameter.ndim > 1 else 4) ** -0.5)
    return layer


@torch.no_grad()
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_a_product_is_its_weight_in_one_step_or_two(inputs: int, answers: int, rank: int) -> None:
    torch.manual_seed(0)
    product = LowRankProduct((inputs,), (answers,), rank).double()
    for parameter in product.parameters():
        parameter.normal_()
    x = torch.randn(3, inputs, dtype=torch.double)
    weight, bias = product.up @ product.down, product.up @ product.down_bias + product.up_bias
    for _ in range(2):
        torch.testing.assert_close(product(x), x @ weight.T + bias)
        keep_apart(product)
    assert product.is_one() == (rank * (inputs + answers) >= inputs * answers)
    torch.testing.assert_close(product.deployed()(x), x @ weight.T + bias)


@torch.no_grad()
@pytest.mark.parametrize(
    ("plain", "low"), [(ATTENTION, attention(WIDTH)), (FEED_FORWARD, feed_forward(WIDTH)), (ATTENTION, attention(20))]
)
def test_at_full_rank_it_is_the_plain_layer(plain: LayerSpec, low: LayerSpec) -> None:
    given_layer, layer = lively(plain), build(low).eval()
    layer.load_state_dict(at_full_rank(low, given_layer.state_dict()))
    x = torch.randn(2, *SHAPE)
    torch.testing.assert_close(layer(x), given_layer(x), rtol=0, atol=1e-6)
    for name, module in layer.named_children():
        if isinstance(module, LowRankProduct):
            weights = [p for n, p in given_layer.named_parameters() if n.startswith(name) and n.endswith("weight")]
            assert torch.equal(module.product()[0].flatten(), weights[0].flatten())


@torch.no_grad()
def test_a_slim_attention_of_equal_widths_is_one_too() -> None:
    plain, layer = lively(ATTENTION), build(attention(WIDTH)).eval()
    layer.load_state_dict(at_full_rank(layer.spec, slimmed(plain.state_dict())))
    x = torch.randn(2, *SHAPE)
    torch.testing.assert_close(layer(x), plain(x), rtol=0, atol=1e-6)


def test_a_layer_of_lower_rank_has_no_place_for_a_given_weight() -> None:
    found = at_full_rank(feed_forward(11), lively(FEED_FORWARD).state_dict())
    assert found["expand.down"].shape == (12, 12)


@given(st.integers(1, 14), st.integers(1, 30))
def test_an_ffn_costs_the_fewest_products(rank: int, hidden: int) -> None:
    counts = count_layer(feed_forward(rank, hidden))
    assert counts.macs == 2 * TOKENS * min(rank * (WIDTH + hidden), WIDTH * hidden)
    assert counts.num_params == 2 * rank * (WIDTH + hidden) + 2 * rank + WIDTH + hidden + 2 * WIDTH


@given(st.integers(1, 14), st.integers(1, 3))
def test_attention_costs_the_fewest_products(rank: int, heads: int) -> None:
    counts, inner = count_layer(attention(rank, heads)), heads * HEAD_WIDTH
    products = min(rank * (WIDTH + 3 * inner), 3 * WIDTH * inner) + min(rank * (WIDTH + inner), WIDTH * inner)
    assert counts.macs == TOKENS * products + 2 * TOKENS**2 * inner
    assert counts.activation_bytes < count_layer(ATTENTION).activation_bytes * 2  # no weight among them


@torch.no_grad()
def test_a_weight_is_drawn_as_large_as_a_plain_one() -> None:
    torch.manual_seed(0)
    product = LowRankProduct((64,), (256,), 32)
    assert 0.8 < float(product.product()[0].std()) / (0.5 * 64**-0.5) < 1.2
