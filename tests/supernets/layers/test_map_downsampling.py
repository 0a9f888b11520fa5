"""Ways between the stages of a pyramid against timm and their formulas, and how they share weights."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.supernets.mixers.timm_models import timm_model
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import Layer, build


def lively(kind: str, narrow: int, wide: int, height: int = 6, breadth: int = 8, **attrs: int | str | bool) -> Layer:
    torch.manual_seed(0)
    spec = LayerSpec.of(kind, (narrow, height, breadth), (wide, height // 2, breadth // 2), **attrs)
    layer = build(spec).double().eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.4 * torch.randn_like(parameter))
    return layer


def image(layer: Layer) -> torch.Tensor:
    return torch.randn(2, *layer.spec.in_shape, dtype=torch.double)


def test_patch_merging_is_that_of_timms_swin() -> None:
    theirs = timm_model("swin_tiny_patch4_window7_224").layers[1].downsample
    layer = lively("patch_merging", 96, 192)
    with torch.no_grad():
        layer.norm_weight.copy_(theirs.norm.weight.view(4, 96))
        layer.norm_bias.copy_(theirs.norm.bias.view(4, 96))
        layer.weight.copy_(theirs.reduction.weight.view(192, 4, 96))
        x = image(layer)
        torch.testing.assert_close(layer(x), theirs(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def test_a_narrower_merging_takes_the_same_channels_of_all_four_places() -> None:
    layer = lively("patch_merging", 8, 12)
    small = layer.narrow(LayerSpec.of("patch_merging", (4, 6, 8), (8, 3, 4)))
    assert torch.equal(small.weight, layer.weight[:8, :, :4])
    assert torch.equal(small.norm_weight, layer.norm_weight[:, :4])


def test_the_norm_first_is_convnexts() -> None:
    theirs = timm_model("convnext_atto").stages[1].downsample
    layer = lively("layernorm_downsampling", 40, 80, kernel=2, norm="first")
    layer.norm_before.load_state_dict(theirs[0].state_dict())
    layer.norm_before.eps = theirs[0].eps
    layer.conv.load_state_dict(theirs[1].state_dict())
    x = image(layer)
    torch.testing.assert_close(layer(x), theirs(x))


def test_norms_on_both_sides_are_pvts() -> None:
    before, stage = timm_model("pvt_v2_b0").stages[:2]
    layer = lively("layernorm_downsampling", 32, 64, kernel=3, norm="both")
    layer.norm_before.load_state_dict(before.norm.state_dict())
    layer.norm_before.eps = before.norm.eps
    layer.conv.load_state_dict(stage.downsample.proj.state_dict())
    layer.norm_after.load_state_dict(stage.downsample.norm.state_dict())
    layer.norm_after.eps = stage.downsample.norm.eps
    x = image(layer)
    expected = stage.downsample(before.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
    expected = expected[0] if isinstance(expected, tuple) else expected
    torch.testing.assert_close(layer(x), expected.permute(0, 3, 1, 2) if expected.shape[-1] == 64 else expected)


@pytest.mark.parametrize("wide", [8, 11])
def test_a_residual_reduction_keeps_averages_and_adds_to_them(wide: int) -> None:
    layer = lively("map_residual_reduction", 8, wide)
    with torch.no_grad():
        x = image(layer)
        kept = x.reshape(2, 8, 3, 2, 4, 2).mean(dim=(3, 5))
        y = F.layer_norm(x.permute(0, 2, 3, 1), (8,), layer.norm.weight, layer.norm.bias, 1e-6).permute(0, 3, 1, 2)
        expected = layer.position + F.conv2d(y, layer.conv.weight, layer.conv.bias, stride=2, padding=1)
        expected[:, :8] += kept
        torch.testing.assert_close(layer(x), expected)
