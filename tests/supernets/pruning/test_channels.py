"""Channels of every registered kind of layer: which may be exchanged, and that exchanging them changes nothing."""

from __future__ import annotations

import pytest
import torch

from tests.contracts.layer_examples import EXAMPLES, KINDS, Example, each_example
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.pruning.channels import attributes_of, channels_of, width_of

FIXED = {
    "attention.reach",
    "attention_downsampling.key_width",
    "attention_downsampling.value_width",
    "channel_embedding.registers",
    "flexible_patch_embedding.registers",
    "global_query_attention.head_width",
    "global_query_attention.heads",
    "hilo_attention.head_width",
    "hilo_attention.low_heads",
    "patch_embedding.registers",
    "retention.heads",
    "rotary_attention.head_width",
    "rotary_attention.key_width",
    "slim_attention.head_width",
    "talking_attention.key_width",
    "talking_attention.value_width",
}
"""Refused although they count heads, channels or tokens: what each of them does depends on its place."""

PLACES = {
    "bells",
    "half_heads",
    "heads",
    "hidden",
    "projection",
    "rank",
    "squeeze",
    "features",
    "width0",
    "width1",
    "width2",
}
WIDTHS = {"head_width", "key_width", "value_width"}


def lively(spec: LayerSpec):
    torch.manual_seed(3)
    layer = build(spec).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, (parameter[0].numel() if parameter.ndim > 1 else 4) ** -0.5)
        for name, buffer in layer.named_buffers():
            if name in layer.state_dict() and buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
    return layer


@torch.no_grad()
@each_example()
def test_a_layer_answers_the_same_however_its_channels_are_ordered(example: Example) -> None:
    spec = example.largest
    layer, x = lively(spec), torch.randn(2, *spec.in_shape)
    before = layer(x)
    for attribute in attributes_of(spec):
        channels = channels_of(spec, attribute)
        name = f"{spec.kind}.{attribute}"
        if name in FIXED or attribute not in PLACES | WIDTHS:
            assert channels.refused, name
        elif spec.kind == "mbconv" and not spec["expand"]:
            assert "answers otherwise" in channels.refused  # its hidden channels are those of its input
        elif name == "idle_feed_forward.hidden" and 0 < spec["active"] < spec["hidden"]:
            assert "answers otherwise" in channels.refused  # some take the activation, some do not
        else:
            assert not channels.refused, (name, channels.refused)
            channels.permute(layer, torch.randperm(channels.size).roll(1))
    torch.testing.assert_close(layer(x), before, rtol=1e-4, atol=1e-4 * float(before.abs().max()))


def test_every_pair_is_looked_at() -> None:
    seen = {f"{e.kind}.{a}" for e in EXAMPLES for a in attributes_of(e.largest)}
    assert seen >= FIXED
    assert {e.kind for e in EXAMPLES} == set(KINDS)


def test_the_channels_of_a_feed_forward_and_of_heads_lie_where_they_are_written() -> None:
    ffn = LayerSpec.of("feed_forward", (5, 8), (5, 8), hidden=6)
    assert {(a.name, a.axis, a.block) for a in channels_of(ffn, "hidden").axes} == {
        ("expand.weight", 0, 1), ("expand.bias", 0, 1), ("reduce.weight", 1, 1)
    }  # fmt: skip
    heads = LayerSpec.of("attention", (5, 8), (5, 8), heads=3, head_width=4, reach=0)
    assert {(a.name, a.axis) for a in channels_of(heads, "heads").axes} == {
        ("qkv_weight", 1), ("qkv_bias", 1), ("proj_weight", 1)
    }  # fmt: skip
    rows = LayerSpec.of("talking_attention", (8, 4, 4), (8, 4, 4), heads=3, key_width=4, value_width=5, stride=1)
    blocks = {a.name: a.block for a in channels_of(rows, "heads").axes}
    assert blocks["query.conv.weight"] == 4
    assert blocks["value.conv.weight"] == 5


def test_sums_are_over_all_weights_of_a_channel() -> None:
    spec = LayerSpec.of("feed_forward", (5, 8), (5, 8), hidden=6)
    layer = lively(spec)
    weights = {name: p.detach() for name, p in layer.named_parameters()}
    expected = weights["expand.weight"].sum(1) + weights["expand.bias"] + weights["reduce.weight"].sum(0)
    torch.testing.assert_close(channels_of(spec, "hidden").sums(weights).float(), expected)


@pytest.mark.parametrize("attribute", ["kernel", "patch", "window"])
def test_places_are_refused_by_name(attribute: str) -> None:
    found = {channels_of(e.largest, a).refused for e in EXAMPLES for a in attributes_of(e.largest) if a == attribute}
    assert found
    assert all(found)


@torch.no_grad()
def test_the_width_of_a_block_is_exchanged_with_its_input() -> None:
    spec = LayerSpec.of("feed_forward", (5, 8), (5, 8), hidden=6)
    layer, x, order = lively(spec), torch.randn(2, 5, 8), torch.randperm(8)
    before = layer(x)
    channels = width_of(spec, True, True)
    assert not channels.refused
    channels.permute(layer, order)
    torch.testing.assert_close(layer(x[..., order]), before[..., order], rtol=1e-4, atol=1e-5)


def test_a_width_whose_channels_are_grouped_is_refused() -> None:
    spec = next(e.largest for e in EXAMPLES if e.kind == "mix_shift")
    assert "channels" in width_of(spec, True, True).refused
