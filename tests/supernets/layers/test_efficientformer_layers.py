"""EfficientFormer's layers against their definitions in plain functions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import Layer, build


def _lively(layer: Layer) -> Layer:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.4)
        for module in layer.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()  # type: ignore[union-attr]
                module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return layer.eval()


def _heads(x: Tensor, heads: int) -> Tensor:
    """(1, heads * e, H, W) -> (heads, H * W, e)."""
    return x[0].flatten(1).reshape(heads, -1, x.shape[2] * x.shape[3]).transpose(1, 2)


def _bias(table: Tensor, queries: list[tuple[int, int]], keys: list[tuple[int, int]]) -> Tensor:
    rows = [torch.stack([table[:, abs(i - m), abs(j - n)] for m, n in keys], dim=1) for i, j in queries]
    return torch.stack(rows, dim=1)


@torch.no_grad()
def test_pool_mixing_averages_the_neighbours_that_exist() -> None:
    layer = _lively(build(LayerSpec.of("pool_mixing", (2, 3, 4), (2, 3, 4))))
    x = torch.randn(1, 2, 3, 4)
    y = layer(x)
    for i, j in [(0, 0), (1, 2), (2, 1)]:
        around = x[0, :, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].mean((1, 2))
        torch.testing.assert_close(y[0, :, i, j], x[0, :, i, j] + layer.scale.flatten() * (around - x[0, :, i, j]))


@pytest.mark.parametrize(("side", "stride"), [(3, 1), (6, 2), (5, 2)])
@torch.no_grad()
def test_talking_attention_mixes_heads_before_and_after_softmax(side: int, stride: int) -> None:
    attrs = {"heads": 3, "key_width": 4, "value_width": 5, "stride": stride}
    layer = _lively(build(LayerSpec.of("talking_attention", (6, side, side), (6, side, side), **attrs)))
    x = torch.randn(1, 6, side, side)
    small = layer.shrink(x) if stride > 1 else x
    places = [(i, j) for i in range(small.shape[2]) for j in range(small.shape[3])]
    q, k, v = _heads(layer.query(small), 3), _heads(layer.key(small), 3), _heads(layer.value(small), 3)
    scores = q @ k.transpose(1, 2) / 2 + _bias(layer.offset_bias, places, places)
    before, after = layer.talk_before, layer.talk_after
    scores = torch.einsum("gh,hqk->gqk", before.weight[:, :, 0, 0], scores) + before.bias[:, None, None]
    share = torch.einsum("gh,hqk->gqk", after.weight[:, :, 0, 0], scores.softmax(-1)) + after.bias[:, None, None]
    y = (share @ v).transpose(1, 2).reshape(1, 15, *small.shape[2:]) + layer.local(layer.value(small))
    y = F.interpolate(y, (side, side), mode="bilinear", align_corners=False)
    torch.testing.assert_close(layer(x), x + layer.scale * layer.proj(F.gelu(y)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [4, 5])
@torch.no_grad()
def test_attention_downsampling_asks_from_every_second_place(side: int) -> None:
    half = (side + 1) // 2
    attrs = {"heads": 2, "key_width": 4, "value_width": 3}
    layer = _lively(build(LayerSpec.of("attention_downsampling", (6, side, side), (8, half, half), **attrs)))
    x = torch.randn(1, 6, side, side)
    queries = [(2 * i, 2 * j) for i in range(half) for j in range(half)]
    keys = [(i, j) for i in range(side) for j in range(side)]
    q = _heads(layer.query(layer.near(x) + F.avg_pool2d(F.pad(x, (0, 1, 0, 1)), 1, 2)[:, :, :half, :half]), 2)
    scores = q @ _heads(layer.key(x), 2).transpose(1, 2) / 2 + _bias(layer.offset_bias, queries, keys)
    y = (scores.softmax(-1) @ _heads(layer.value(x), 2)).transpose(1, 2).reshape(1, 6, half, half)
    expected = layer.conv(x) + layer.proj(F.gelu(y + layer.local(layer.value(x))))
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_fewer_heads_are_the_first_heads() -> None:
    def spec(heads: int) -> LayerSpec:
        attrs = {"heads": heads, "key_width": 4, "value_width": 5, "stride": 1}
        return LayerSpec.of("talking_attention", (6, 3, 3), (6, 3, 3), **attrs)

    large = _lively(build(spec(4)))
    small = large.narrow(spec(2))
    x = torch.randn(1, 6, 3, 3)
    for part in ("query", "key", "value"):
        torch.testing.assert_close(_heads(getattr(small, part)(x), 2), _heads(getattr(large, part)(x), 4)[:2])
