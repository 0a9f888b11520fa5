"""Dropping heads: the smaller layer answers like the larger one whose last heads are silent."""

from __future__ import annotations

import pytest
import torch

from tests.supernets.mixers.reference import image, lively
from vitnas.search_spaces import LayerSpec

KINDS: dict[str, dict[str, int | bool]] = {
    "map_attention": {},
    "window_attention": {"window": 2, "shift": True},
    "spatial_reduction_attention": {"reduction": 2},
    "pooled_reduction_attention": {"reduction": 2},
    "linear_attention": {"kernel": 3},
    "neighbourhood_attention": {"kernel": 3, "dilation": 1},
    "retention": {"causal": False},
    "mixture_mask_attention": {"bells": 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_heads_are_the_first_heads(kind: str) -> None:
    layer = lively(kind, heads=3, head_width=4, **KINDS[kind])
    small = layer.narrow(
        LayerSpec.of(kind, layer.spec.in_shape, layer.spec.out_shape, heads=2, head_width=4, **KINDS[kind])
    )
    with torch.no_grad():
        layer.proj.weight[:, 2:] = 0
        x = image(layer)
        torch.testing.assert_close(layer(x), small(x))


def test_fewer_heads_of_a_cross_are_the_first_of_each_half() -> None:
    layer = lively("cross_window_attention", half_heads=3, head_width=2, stripe=2)
    shape = layer.spec.in_shape
    small = layer.narrow(LayerSpec.of("cross_window_attention", shape, shape, half_heads=1, head_width=2, stripe=2))
    with torch.no_grad():
        layer.proj_weight[:, :, 1:] = 0
        x = image(layer)
        torch.testing.assert_close(layer(x), small(x))


def test_fewer_heads_of_a_lookup_are_the_first_of_every_attention() -> None:
    layer = lively("lookup", height=4, breadth=4, heads=3, head_width=4, grid=2, hidden=12)
    shape = layer.spec.in_shape
    small = layer.narrow(LayerSpec.of("lookup", shape, shape, heads=2, head_width=4, grid=2, hidden=12))
    with torch.no_grad():
        for proj in (layer.read_proj, layer.think_proj, layer.tell_proj):
            proj.weight[:, 2:] = 0
        x = image(layer)
        torch.testing.assert_close(layer(x), small(x))


def test_a_smaller_window_takes_the_middle_of_the_offsets() -> None:
    layer = lively("window_attention", height=4, breadth=4, heads=2, head_width=4, window=4, shift=False)
    shape = layer.spec.in_shape
    small = layer.narrow(LayerSpec.of("window_attention", shape, shape, heads=2, head_width=4, window=2, shift=False))
    assert torch.equal(small.offset_bias, layer.offset_bias[:, 2:5, 2:5])


def test_a_narrower_modulation_takes_the_first_channels_of_each_scale() -> None:
    layer = lively("scale_aware_modulation", 16, scales=4)
    shape = (8, *layer.spec.in_shape[1:])
    small = layer.narrow(LayerSpec.of("scale_aware_modulation", shape, shape, scales=4))
    assert torch.equal(small.scales_weight, layer.scales_weight[:, :2, :8])
    assert torch.equal(small.join.weight, layer.join.weight[:16])  # whole groups


def test_a_narrower_gate_takes_the_first_channels_of_each_part() -> None:
    layer = lively("recursive_gate", 16, order=3, kernel=3)
    shape = (8, *layer.spec.in_shape[1:])
    small = layer.narrow(LayerSpec.of("recursive_gate", shape, shape, order=3, kernel=3))
    for mine, theirs in zip(small.inward, layer.inward, strict=True):
        assert torch.equal(mine, theirs[: len(theirs) // 2, :8])
