"""Attention against torch's own, and relative positions against the definition, pair by pair."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.layers.attention import Attention
from vitnas.supernets.layers.feed_forward import FeedForward


def _attention(tokens: int, width: int, heads: int, head_width: int, reach: int) -> Attention:
    torch.manual_seed(0)
    shape = (tokens, width)
    layer = build(LayerSpec.of("attention", shape, shape, heads=heads, head_width=head_width, reach=reach))
    assert isinstance(layer, Attention)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.5)
    return layer.eval()


def test_without_positions_it_is_multi_head_attention() -> None:
    layer = _attention(7, 12, 3, 4, 0)
    other = nn.MultiheadAttention(12, 3, batch_first=True).eval()
    with torch.no_grad():
        other.in_proj_weight.copy_(layer.qkv_weight.flatten(0, 2))
        other.in_proj_bias.copy_(layer.qkv_bias.flatten())
        other.out_proj.weight.copy_(layer.proj_weight.flatten(1))
        other.out_proj.bias.copy_(layer.proj_bias)
        x = torch.randn(2, 7, 12)
        normed = nn.functional.layer_norm(x, (12,), layer.norm.weight, layer.norm.bias, 1e-6)
        torch.testing.assert_close(layer(x), x + other(normed, normed, normed)[0], rtol=1e-5, atol=1e-5)


def test_with_the_feed_forward_it_is_a_transformer_encoder_layer() -> None:
    attention = _attention(7, 12, 3, 4, 0)
    ffn = build(LayerSpec.of("feed_forward", (7, 12), (7, 12), hidden=20)).eval()
    assert isinstance(ffn, FeedForward)
    other = nn.TransformerEncoderLayer(
        12, 3, 20, dropout=0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )
    weights = {
        "self_attn.in_proj_weight": attention.qkv_weight.flatten(0, 2),
        "self_attn.in_proj_bias": attention.qkv_bias.flatten(),
        "self_attn.out_proj.weight": attention.proj_weight.flatten(1),
        "self_attn.out_proj.bias": attention.proj_bias,
        "norm1.weight": attention.norm.weight,
        "norm1.bias": attention.norm.bias,
        "norm2.weight": ffn.norm.weight,
        "norm2.bias": ffn.norm.bias,
        "linear1.weight": ffn.expand.weight,
        "linear1.bias": ffn.expand.bias,
        "linear2.weight": ffn.reduce.weight,
        "linear2.bias": ffn.reduce.bias,
    }
    other.load_state_dict({name: tensor.detach() for name, tensor in weights.items()})
    x = torch.randn(2, 7, 12)
    with torch.no_grad():
        torch.testing.assert_close(ffn(attention(x)), other.train()(x), rtol=1e-5, atol=1e-5)


def _by_definition(layer: Attention, x: Tensor) -> Tensor:
    """One pair of tokens after the other.

    Token 0 is the class token, the others lie on a square grid, row after row. For query i and key
    j, a learned vector of their vertical offset plus one of their horizontal offset is added to the
    key, and another such sum to the value. Offsets are clipped; pairs with the class token have
    entry 0 of the tables.
    """
    (tokens, _), heads, width, reach = (layer.spec.in_shape, *(layer.spec[n] for n in ("heads", "head_width", "reach")))
    side = math.isqrt(tokens - 1)
    result = []
    for image in x:
        normed = nn.functional.layer_norm(image, (image.shape[-1],), layer.norm.weight, layer.norm.bias, 1e-6)
        out = layer.proj_bias.expand(tokens, -1).clone()
        for h in range(heads):
            q, k, v = (normed @ layer.qkv_weight[r, h].T + layer.qkv_bias[r, h] for r in range(3))
            for i in range(tokens):
                near = []
                for j in range(tokens):
                    down = across = 0
                    if i and j:
                        down = max(-reach, min(reach, (j - 1) // side - (i - 1) // side)) + reach + 1
                        across = max(-reach, min(reach, (j - 1) % side - (i - 1) % side)) + reach + 1
                    near.append(layer.relative[:, 0, down] + layer.relative[:, 1, across])
                logits = torch.stack([q[i] @ (k[j] + near[j][0]) / math.sqrt(width) for j in range(tokens)])
                share = logits.softmax(dim=0)
                mixed = sum(share[j] * (v[j] + near[j][1]) for j in range(tokens))
                out[i] += layer.proj_weight[:, h] @ mixed
        result.append(image + out)
    return torch.stack(result)


@pytest.mark.parametrize("most_paired", [0, 50])
@pytest.mark.parametrize(("side", "reach"), [(3, 3), (4, 1), (3, 2), (1, 1)])
def test_relative_positions_follow_their_definition(
    side: int, reach: int, most_paired: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As products over rows and columns, and of every pair of tokens."""
    monkeypatch.setattr("vitnas.supernets.layers.attention.MOST_PAIRED", most_paired)
    layer = _attention(side * side + 1, 10, 2, 4, reach)
    x = torch.randn(2, side * side + 1, 10)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), _by_definition(layer, x), rtol=1e-4, atol=1e-5)


def test_positions_make_the_order_of_patches_matter() -> None:
    x = torch.randn(1, 10, 12)
    order = [0, 2, 3, 1, 5, 6, 4, 9, 8, 7]
    with torch.no_grad():
        plain, placed = _attention(10, 12, 2, 4, 0), _attention(10, 12, 2, 4, 2)
        torch.testing.assert_close(plain(x[:, order]), plain(x)[:, order], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(placed(x[:, order]), placed(x)[:, order], atol=0.1)


def test_a_smaller_layer_reads_whole_heads_of_each_role() -> None:
    """A known trap: slicing a fused weight as one axis would hand keys to a smaller layer's queries."""
    layer = _attention(5, 12, 3, 4, 0)
    small = layer.narrow(LayerSpec.of("attention", (5, 8), (5, 8), heads=2, head_width=4, reach=0))
    for role in range(3):
        for head in range(2):
            assert torch.equal(small.qkv_weight[role, head], layer.qkv_weight[role, head, :, :8])
            assert torch.equal(small.qkv_bias[role, head], layer.qkv_bias[role, head])
