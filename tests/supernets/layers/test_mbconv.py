"""MBConv against its definition in plain functions, on even and odd maps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces.published.stages import mbconv
from vitnas.supernets.layers import build
from vitnas.supernets.layers.mbconv import MBConv


def _layer(side: int, width: int, out_width: int, stride: int, *, hidden: int, squeeze: int, kernel: int) -> MBConv:
    out = -(-side // stride)
    spec = mbconv(
        (width, side, side),
        (out_width, out, out),
        hidden,
        kernel=kernel,
        stride=stride,
        squeeze=squeeze,
        act="hardswish",
    )
    layer = build(spec)
    assert isinstance(layer, MBConv)
    return layer.eval()


def _lively(layer: MBConv) -> MBConv:
    with torch.no_grad():
        for name, tensor in layer.state_dict().items():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5) if "running_var" in name else tensor.normal_(0, 0.5)
    return layer


def _norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    mean, var = state[f"{name}.norm.running_mean"], state[f"{name}.norm.running_var"]
    scale = state[f"{name}.norm.weight"] / (var + 1e-5).sqrt()
    return (x - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.norm.bias"][:, None, None]


def _hardswish(x: Tensor) -> Tensor:
    return x * (x + 3).clamp(0, 6) / 6


def _shortcut(x: Tensor, stride: int) -> Tensor:
    """2x2 averages by hand: each over what the map has there."""
    if stride == 1:
        return x
    side = x.shape[-1]
    rows = [slice(i, min(i + 2, side)) for i in range(0, side, 2)]
    return torch.stack([torch.stack([x[:, :, r, c].mean(dim=(2, 3)) for c in rows], dim=-1) for r in rows], dim=-2)


@pytest.mark.parametrize("side", [4, 5, 1])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("squeeze", [0, 2])
@pytest.mark.parametrize(("hidden", "out_width"), [(4, 4), (12, 4), (12, 6)])
def test_it_is_an_inverted_bottleneck_beside_a_shortcut(
    side: int, stride: int, squeeze: int, hidden: int, out_width: int
) -> None:
    torch.manual_seed(0)
    layer = _lively(_layer(side, 4, out_width, stride, hidden=hidden, squeeze=squeeze, kernel=5))
    state = layer.state_dict()
    x = torch.randn(2, 4, side, side)
    y = x
    if hidden > 4:
        y = _hardswish(_norm(F.conv2d(y, state["expand.conv.weight"]), state, "expand"))
    y = F.conv2d(y, state["depthwise.conv.weight"], stride=stride, padding=2, groups=hidden)
    y = _hardswish(_norm(y, state, "depthwise"))
    if squeeze:
        pooled = y.mean(dim=(2, 3))
        inner = (pooled @ state["squeeze.weight"].flatten(1).T + state["squeeze.bias"]).clamp(min=0)
        gate = ((inner @ state["excite.weight"].flatten(1).T + state["excite.bias"] + 3) / 6).clamp(0, 1)
        y = y * gate[:, :, None, None]
    y = _norm(F.conv2d(y, state["reduce.conv.weight"]), state, "reduce")
    shortcut = _shortcut(x, stride)
    if out_width != 4:
        shortcut = F.conv2d(shortcut, state["shortcut.weight"])
    torch.testing.assert_close(layer(x), y + shortcut, rtol=1e-4, atol=1e-4)


def test_a_new_block_is_its_shortcut() -> None:
    layer = _layer(6, 4, 4, 1, hidden=12, squeeze=2, kernel=3)
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(layer(x), x)


def test_a_small_kernel_is_the_middle_of_a_large_one() -> None:
    large = _layer(6, 4, 4, 1, hidden=12, squeeze=0, kernel=5)
    small = large.narrow(_layer(6, 4, 4, 1, hidden=8, squeeze=0, kernel=3).spec)
    middle = large.depthwise.conv.weight[:8, :, 1:4, 1:4]
    assert torch.equal(small.depthwise.conv.weight, middle)
