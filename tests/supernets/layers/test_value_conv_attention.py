"""Value-convolution attention against a computation token by token."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.layers.value_conv_attention import ValueConvAttention


def _layer(width: int, side: int, heads: int, *, value_width: int = 6, nasvit: bool = False) -> ValueConvAttention:
    spec = LayerSpec.of(
        "value_conv_attention",
        (width, side, side),
        (width, side, side),
        heads=heads,
        head_width=4,
        value_width=value_width,
        qkv_bias=nasvit,
        talking=nasvit,
        rescale=nasvit,
        act="silu",
    )
    layer = build(spec)
    assert isinstance(layer, ValueConvAttention)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.5)
    return layer.eval()


@pytest.mark.parametrize("nasvit", [False, True])
@torch.no_grad()
def test_it_is_attention_computed_head_by_head(nasvit: bool) -> None:
    torch.manual_seed(0)
    width, side, heads = 8, 3, 2
    layer = _layer(width, side, heads, nasvit=nasvit)
    weights = layer.state_dict()
    x = torch.randn(1, width, side, side)
    places = [(i, j) for i in range(side) for j in range(side)]
    tokens = torch.stack([F.layer_norm(x[0, :, i, j], (width,), layer.norm.weight, layer.norm.bias) for i, j in places])

    def biased(name: str, index: tuple[int, ...]) -> torch.Tensor:
        return weights[name][index] if nasvit else torch.zeros(())

    scores, values = [], []
    for head in range(heads):
        q = tokens @ weights["query_key"][0, head].T + biased("query_key_bias", (0, head))
        k = tokens @ weights["query_key"][1, head].T + biased("query_key_bias", (1, head))
        v = tokens @ weights["value"][head].T + biased("value_bias", (head,))
        near = F.pad(v.T.reshape(1, -1, side, side), (1, 1, 1, 1))
        v_conv = torch.zeros(6, side, side)
        for channel in range(6):
            for i, j in places:
                v_conv[channel, i, j] = (
                    near[0, channel, i : i + 3, j : j + 3] * weights["depthwise"][head, channel]
                ).sum()
        values.append(v_conv.flatten(1).T)
        bias = [
            [weights["offset_bias"][head, i - k + side - 1, j - m + side - 1] for k, m in places] for i, j in places
        ]
        scores.append(q @ k.T / 2 + torch.tensor(bias))
    if nasvit:
        mix, offset = weights["talk_before.weight"].flatten(1), weights["talk_before.bias"]
        scores = [sum(mix[h, g] * scores[g] for g in range(heads)) + offset[h] for h in range(heads)]
    shares = [score.softmax(dim=-1) for score in scores]
    if nasvit:
        mix, offset = weights["talk_after.weight"].flatten(1), weights["talk_after.bias"]
        shares = [sum(mix[h, g] * shares[g] for g in range(heads)) + offset[h] for h in range(heads)]
    y = torch.cat([share @ v for share, v in zip(shares, values, strict=True)], dim=1)
    y = F.silu(y) @ weights["proj"].flatten(1).T + weights["proj_bias"]
    if nasvit:
        y = y * weights["rescale.scale"] * 8 / width
    expected = x + y.T.reshape(1, width, side, side)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_a_smaller_map_knows_the_same_offsets() -> None:
    large = _layer(8, 5, 2)
    small = large.narrow(_layer(8, 3, 2).spec)
    assert torch.equal(small.offset_bias, large.offset_bias[:, 2:-2, 2:-2])
    offsets_large, offsets_small = large.offsets.reshape(5, 5, 5, 5), small.offsets.reshape(3, 3, 3, 3)
    table_large, table_small = large.offset_bias.flatten(1), small.offset_bias.flatten(1)
    assert torch.equal(table_small[:, offsets_small], table_large[:, offsets_large[:3, :3, :3, :3]])


def test_rows_keep_their_role_under_width_heads_and_value_width() -> None:
    large = _layer(8, 3, 2, nasvit=True)
    small = large.narrow(_layer(4, 3, 1, value_width=2, nasvit=True).spec)
    assert torch.equal(small.query_key[1, 0], large.query_key[1, 0, :, :4])
    assert torch.equal(small.value[0], large.value[0, :2, :4])
    assert torch.equal(small.proj[:, 0], large.proj[:4, 0, :2])
