"""DeepMAD's blocks against their formulas written with torch's functions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build


def lively(spec: LayerSpec) -> Any:
    torch.manual_seed(0)
    layer = build(spec).double().eval()
    with torch.no_grad():
        for name, value in layer.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if "norm" in name else 0.4 * torch.randn_like(value))
    return layer


def conv(x: Tensor, brick: Any, stride: int = 1, groups: int = 1) -> Tensor:
    norm = brick.norm
    y = F.conv2d(x, brick.conv.weight, stride=stride, padding=brick.conv.weight.shape[-1] // 2, groups=groups)
    return F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias)


@pytest.mark.parametrize(("wide", "stride", "project"), [(8, 1, False), (12, 1, True), (8, 2, True)])
def test_a_bottleneck_is_a_resnet_block_with_an_averaged_shortcut(wide: int, stride: int, project: bool) -> None:
    shapes = (8, 6, 6), (wide, 6 // stride, 6 // stride)
    layer = lively(
        LayerSpec.of("bottleneck_conv", *shapes, hidden=4, kernel=5, stride=stride, project=project, act="relu")
    )
    x = torch.randn(2, 8, 6, 6, dtype=torch.double)
    with torch.no_grad():
        y = conv(F.relu(conv(F.relu(conv(x, layer.reduce)), layer.middle, stride)), layer.expand)
        beside = F.avg_pool2d(x, 2) if stride == 2 else x
        beside = conv(beside, layer.shortcut) if project else beside
        torch.testing.assert_close(layer(x), F.relu(beside + y))


@pytest.mark.parametrize(("wide", "stride", "residual"), [(6, 1, True), (9, 1, False), (6, 2, False)])
def test_an_excited_block_scales_channels_by_normalised_excitation(wide: int, stride: int, residual: bool) -> None:
    shapes = (6, 4, 4), (wide, 4 // stride, 4 // stride)
    attrs: dict[str, Any] = {
        "hidden": 12,
        "squeeze": 8,
        "kernel": 3,
        "stride": stride,
        "residual": residual,
        "act": "silu",
    }
    layer = lively(LayerSpec.of("excited_mbconv", *shapes, **attrs))
    x = torch.randn(2, 6, 4, 4, dtype=torch.double)
    with torch.no_grad():
        y = F.silu(conv(F.silu(conv(x, layer.expand)), layer.depthwise, stride, groups=12))
        mean = y.mean((2, 3), keepdim=True)
        y = conv(y * torch.sigmoid(conv(F.silu(conv(mean, layer.squeeze)), layer.excite)), layer.reduce)
        torch.testing.assert_close(layer(x), x + y if residual else y)


def test_a_classifier_without_widening_is_a_mean_and_a_linear_layer() -> None:
    layer = lively(LayerSpec.of("widening_classifier", (6, 3, 3), (4,), hidden=0, act="relu"))
    x = torch.randn(2, 6, 3, 3, dtype=torch.double)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), layer.linear(x.mean((2, 3))))
