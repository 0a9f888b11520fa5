"""Offset attention against a loop over windows, heads and pairs of places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.layers.offset_attention import OffsetAttention, offset_indices


def _layer(width: int, side: int, window: int, *, heads: int = 2, key: int = 3, value: int = 5) -> OffsetAttention:
    shape = (width, side, side)
    attrs = {"heads": heads, "key_width": key, "value_width": value, "window": window, "layer_scale": True}
    layer = build(LayerSpec.of("offset_attention", shape, shape, **attrs))
    assert isinstance(layer, OffsetAttention)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.5)
    return layer.eval()


def _naive(layer: OffsetAttention, x: Tensor) -> Tensor:
    spec = layer.spec
    side, window = spec.in_shape[1], spec["window"]
    tiles = -(-side // window)
    padded = torch.zeros(x.shape[0], tiles * window, tiles * window)  # one image, channels first
    padded[:, :side, :side] = x
    result = torch.zeros_like(padded)
    for row in range(0, tiles * window, window):
        for column in range(0, tiles * window, window):
            places = [(row + i, column + j) for i in range(window) for j in range(window)]
            tokens = torch.stack([padded[:, i, j] for i, j in places])
            tokens = F.layer_norm(tokens, tokens.shape[-1:], layer.norm.weight, layer.norm.bias)
            total = layer.proj_bias.expand(len(places), -1).clone()
            for head in range(spec["heads"]):
                q, k = (tokens @ layer.query_key[r, head].T + layer.query_key_bias[r, head] for r in (0, 1))
                v = tokens @ layer.value[head].T + layer.value_bias[head]
                scores = q @ k.T / spec["key_width"] ** 0.5
                for a, (i, j) in enumerate(places):
                    for b, (m, n) in enumerate(places):
                        scores[a, b] += layer.offset_bias[head, abs(i - m), abs(j - n)]
                total += scores.softmax(-1) @ v @ layer.proj[:, head].T
            for place, token in zip(places, total, strict=True):
                result[:, place[0], place[1]] = token
    assert layer.scale is not None
    return x + layer.scale[:, None, None] * result[:, :side, :side]


@pytest.mark.parametrize(("side", "window"), [(4, 4), (6, 3), (5, 3), (2, 3)])
@torch.no_grad()
def test_it_equals_loops_over_padded_windows(side: int, window: int) -> None:
    layer = _layer(6, side, window)
    x = torch.randn(2, 6, side, side)
    expected = torch.stack([_naive(layer, image) for image in x])
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_smaller_window_keeps_the_meaning_of_each_distance() -> None:
    large = _layer(6, 4, 4)
    small = large.narrow(_layer(6, 4, 2).spec)
    torch.testing.assert_close(small.offset_bias, large.offset_bias[:, :2, :2])
    x = torch.randn(1, 6, 4, 4)
    torch.testing.assert_close(small(x)[0], _naive(small, x[0]), rtol=1e-4, atol=1e-5)


def test_queries_on_every_second_place_know_their_distance_to_all_keys() -> None:
    side = 5
    indices = offset_indices(side, step=2)
    assert indices.shape == (9, 25)
    for a, b in [(0, 24), (4, 0), (8, 7), (5, 13)]:
        down, across = abs(a // 3 * 2 - b // side), abs(a % 3 * 2 - b % side)
        assert indices[a, b] == down * side + across
    assert np.unique(offset_indices(14, step=2)).size == 196
