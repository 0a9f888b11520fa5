"""The layers of As-ViT against torch's unfold and plain attention, and where smaller kernels look."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.layers.padded_stem import overhang


def lively(spec: LayerSpec) -> Any:
    torch.manual_seed(0)
    layer = build(spec).double().eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.4 * torch.randn_like(parameter))
    return layer


def merging(kernel: int, narrow: int = 5, wide: int = 7) -> LayerSpec:
    return LayerSpec.of("overlapping_merging", (narrow, 6, 6), (wide, 3, 3), kernel=kernel)


@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_merging_unfolds_normalises_and_maps(kernel: int) -> None:
    layer = lively(merging(kernel))
    x = torch.randn(2, 5, 6, 6, dtype=torch.double)
    before, after = {2: (0, 0), 3: (1, 0), 4: (1, 1)}[kernel]
    with torch.no_grad():
        patches = F.unfold(F.pad(x, (before, after, before, after)), kernel, stride=2).transpose(1, 2)
        scale, shift = (p.permute(2, 0, 1).flatten() for p in (layer.norm_weight, layer.norm_bias))
        normed = F.layer_norm(patches, patches.shape[-1:], scale, shift, 1e-5)
        expected = (normed @ layer.weight.permute(0, 3, 1, 2).flatten(1).T).transpose(1, 2).reshape(2, 7, 3, 3)
        torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("kernel", [2, 3])
def test_a_smaller_kernel_looks_at_the_same_places(kernel: int) -> None:
    large = lively(merging(4))
    small = large.narrow(merging(kernel))
    start = overhang(4, 2)[0] - overhang(kernel, 2)[0]
    assert torch.equal(small.weight, large.weight[:, start : start + kernel, start : start + kernel])


@pytest.mark.parametrize("kernel", [4, 5, 6, 7])
def test_a_smaller_stem_is_the_larger_one_with_silent_borders(kernel: int) -> None:
    image, out = (3, 16, 16), (6, 4, 4)
    large = lively(LayerSpec.of("padded_stem", image, out, kernel=8, stride=4))
    small = large.narrow(LayerSpec.of("padded_stem", image, out, kernel=kernel, stride=4))
    start = overhang(8, 4)[0] - overhang(kernel, 4)[0]
    kept = torch.zeros(8, 8, dtype=torch.double)
    kept[start : start + kernel, start : start + kernel] = 1
    with torch.no_grad():
        large.conv.weight.mul_(kept)
        x = torch.randn(2, *image, dtype=torch.double)
        torch.testing.assert_close(small(x), large(x))


def test_attention_is_that_of_the_whole_map_in_each_window() -> None:
    layer = lively(LayerSpec.of("unbiased_window_attention", (8, 6, 6), (8, 6, 6), heads=2, head_width=3, window=3))
    whole = lively(LayerSpec.of("map_attention", (8, 3, 3), (8, 3, 3), heads=2, head_width=3))
    whole.load_state_dict(layer.state_dict())
    x = torch.randn(2, 8, 6, 6, dtype=torch.double)
    with torch.no_grad():
        y = layer(x)
        for rows in (slice(0, 3), slice(3, 6)):
            for columns in (slice(0, 3), slice(3, 6)):
                torch.testing.assert_close(y[:, :, rows, columns], whole(x[:, :, rows, columns]))
