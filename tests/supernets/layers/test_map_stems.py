"""Stems on maps: timm's patch embeddings, and the tokens-to-token stem against unfolded patches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.supernets.mixers.timm_models import timm_model
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import Layer, build


def lively(kind: str, out: tuple[int, int, int], side: int = 32, **attrs: int | str | bool) -> Layer:
    torch.manual_seed(0)
    layer = build(LayerSpec.of(kind, (3, side, side), out, **attrs)).double().eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    return layer


def test_plain_patches_are_those_of_timms_swin() -> None:
    theirs = timm_model("swin_tiny_patch4_window7_224").patch_embed
    layer = lively("map_stem", (96, 56, 56), 224, kernels="4", strides="4", hidden=0, norm="none")
    layer.convs[0].load_state_dict(theirs.proj.state_dict())
    layer.norm.load_state_dict(theirs.norm.state_dict())
    layer.norm.eps = theirs.norm.eps
    x = torch.randn(1, 3, 224, 224, dtype=torch.double)
    torch.testing.assert_close(layer(x), theirs(x).permute(0, 3, 1, 2))


def test_overlapping_patches_are_those_of_timms_pvt() -> None:
    theirs = timm_model("pvt_v2_b0").patch_embed
    layer = lively("map_stem", (32, 8, 8), kernels="7", strides="4", hidden=0, norm="none")
    layer.convs[0].load_state_dict(theirs.proj.state_dict())
    layer.norm.load_state_dict(theirs.norm.state_dict())
    layer.norm.eps = theirs.norm.eps
    x = torch.randn(2, 3, 32, 32, dtype=torch.double)
    expected = F.layer_norm(
        F.conv2d(x, theirs.proj.weight, theirs.proj.bias, stride=4, padding=3).permute(0, 2, 3, 1),
        (32,), theirs.norm.weight, theirs.norm.bias, theirs.norm.eps,
    )  # fmt: skip
    torch.testing.assert_close(layer(x), expected.permute(0, 3, 1, 2))


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_convolutions_are_joined_as_told(norm: str) -> None:
    layer = lively("map_stem", (12, 8, 8), kernels="3.3", strides="2.2", hidden=6, norm=norm)
    x = torch.randn(2, 3, 32, 32, dtype=torch.double)
    y = layer.convs[0](x)
    if norm == "batch":
        assert isinstance(layer.norms[0], nn.BatchNorm2d)
        y = F.gelu(layer.norms[0](y))
    elif norm == "layer":
        y = F.gelu(layer.norms[0](y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
    expected = layer.norm(layer.convs[1](y).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("linear", [False, True])
def test_tokens_to_token_maps_unfolded_patches(linear: bool) -> None:
    layer = lively("tokens_to_token", (12, 2, 2), kernels="7.3.3", strides="4.2.2", hidden=6, linear=linear)

    def unfolded(x: Tensor, conv: nn.Conv2d, padding: int) -> Tensor:
        kernel, stride = conv.weight.shape[-1], conv.stride[0]
        return (
            F.unfold(x, kernel, stride=stride, padding=padding).transpose(1, 2) @ conv.weight.flatten(1).T + conv.bias
        )

    with torch.no_grad():
        image = x = torch.randn(2, 3, 32, 32, dtype=torch.double)
        for step, padding, side in zip(layer.steps, (2, 1), (8, 4), strict=True):
            q, k, v = (unfolded(x, conv, padding) for conv in step.qkv)
            pairs = q.relu() @ k.relu().mT if linear else (q @ k.mT / 6**0.5).softmax(dim=-1)
            share = pairs / (pairs.sum(dim=-1, keepdim=True) + 1e-6 * k.shape[1]) if linear else pairs
            y = v + (share @ v) @ step.proj.weight.T + step.proj.bias
            y = y + step.reduce(F.gelu(step.expand(step.norm(y))))
            x = y.transpose(1, 2).reshape(2, 6, side, side)
        expected = unfolded(x, layer.project, 1).transpose(1, 2).reshape(2, 12, 2, 2)
        torch.testing.assert_close(layer(image), expected)
