"""Slim attention against plain attention, and what it costs against closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.counting.counts import count_layer
from vitnas.supernets.layers import build
from vitnas.supernets.layers.attention import Attention
from vitnas.supernets.layers.slim_attention import SlimAttention
from vitnas.supernets.weights.pretrained.deit import slimmed

TOKENS, WIDTH, HEADS, FULL = 7, 24, 3, 8


def slim(heads: int = HEADS, key_width: int = FULL, value_width: int = FULL, width: int = WIDTH) -> LayerSpec:
    widths = {"heads": heads, "head_width": FULL, "key_width": key_width, "value_width": value_width}
    return LayerSpec.of("slim_attention", (TOKENS, width), (TOKENS, width), **widths)


@pytest.fixture
def both() -> tuple[Attention, SlimAttention]:
    """A plain attention with random weights, and the slim one with the same weights."""
    torch.manual_seed(0)
    shape = (TOKENS, WIDTH)
    plain = build(LayerSpec.of("attention", shape, shape, heads=HEADS, head_width=FULL, reach=0)).eval()
    layer = build(slim()).eval()
    assert isinstance(plain, Attention)
    assert isinstance(layer, SlimAttention)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.normal_(0, 0.5)
    layer.load_state_dict(slimmed(plain.state_dict()))
    return plain, layer


@torch.no_grad()
def test_at_full_widths_it_is_plain_attention(both: tuple[Attention, SlimAttention]) -> None:
    plain, layer = both
    x = torch.randn(2, TOKENS, WIDTH)
    torch.testing.assert_close(layer(x), plain(x), rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize(("key_width", "value_width"), [(8, 5), (3, 8), (1, 1)])
def test_fewer_columns_are_columns_at_zero(
    both: tuple[Attention, SlimAttention], key_width: int, value_width: int
) -> None:
    plain, layer = both
    x = torch.randn(2, TOKENS, WIDTH)
    found = layer.at(slim(2, key_width, value_width))(x)
    plain.qkv_weight[:2, :, key_width:] = 0
    plain.qkv_bias[:2, :, key_width:] = 0
    plain.proj_weight[:, :, value_width:] = 0
    plain.proj_weight[:, 2:] = 0
    torch.testing.assert_close(found, plain(x), rtol=1e-5, atol=1e-5)


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(1, 30))
def test_counts_are_those_of_the_closed_form(heads: int, key: int, value: int, width: int) -> None:
    counts = count_layer(slim(heads, key, value, width))
    columns = heads * (2 * key + value)
    assert counts.num_params == columns * (width + 1) + heads * value * width + width + 2 * width
    products = TOKENS * width * columns + TOKENS**2 * heads * (key + value) + TOKENS * heads * value * width
    assert counts.macs == products


def test_the_gradient_reaches_the_columns_that_are_kept_alone() -> None:
    layer = build(slim())
    x: Tensor = torch.randn(1, TOKENS, WIDTH)
    layer.at(slim(2, 4, 6))(x).square().sum().backward()
    assert isinstance(layer, SlimAttention)
    assert layer.query_key.grad is not None
    touched = layer.query_key.grad.abs().sum(-1) > 0
    assert touched[:, :2, :4].all()
    assert not touched[:, 2:].any()
    assert not touched[:, :, 4:].any()
