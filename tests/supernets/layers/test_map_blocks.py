"""Blocks on maps: feed-forward layers and the ConvNeXt block against timm and their formulas."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.supernets.mixers.reference import image, lively, normed, run
from tests.supernets.mixers.timm_models import timm_model


def test_a_plain_feed_forward_works_at_every_place() -> None:
    layer = lively("map_feed_forward", hidden=20, layer_scale=False)
    with torch.no_grad():
        x = image(layer)
        hidden = F.gelu(normed(layer, x) @ layer.expand.weight.T + layer.expand.bias)
        torch.testing.assert_close(run(layer, x), hidden @ layer.reduce.weight.T + layer.reduce.bias)


def test_a_gated_feed_forward_multiplies_two_maps() -> None:
    layer = lively("gated_feed_forward", hidden=20)
    with torch.no_grad():
        x = image(layer)
        y = normed(layer, x)
        gate, value = (y @ part.weight.T + part.bias for part in (layer.gate, layer.expand))
        torch.testing.assert_close(run(layer, x), (F.gelu(gate) * value) @ layer.reduce.weight.T + layer.reduce.bias)


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "width", "rectified"), [("pvt_v2_b0", 64, False), ("pvt_v2_b2_li", 128, True)])
def test_a_conv_feed_forward_is_that_of_timms_pvt(name: str, width: int, rectified: bool) -> None:
    block = timm_model(name).stages[1].blocks[0]
    layer = lively("conv_feed_forward", width, 28, 28, hidden=8 * width, kernel=3, rectified=rectified)
    layer.norm.load_state_dict(block.norm2.state_dict())
    layer.norm.eps = block.norm2.eps
    layer.expand.load_state_dict(block.mlp.fc1.state_dict())
    layer.depthwise.load_state_dict(block.mlp.dwconv.state_dict())
    layer.reduce.load_state_dict(block.mlp.fc2.state_dict())
    with torch.no_grad():
        x = image(layer)
        expected = block.mlp(block.norm2(x.flatten(2).transpose(1, 2)), (28, 28)).view(2, 28, 28, width)
        torch.testing.assert_close(run(layer, x), expected)


@pytest.mark.parametrize("stage", [0, 2])
def test_a_convnext_block_is_timms(stage: int) -> None:
    block = timm_model("convnext_atto").stages[stage].blocks[0]
    width = block.conv_dw.weight.shape[0]
    layer = lively("convnext_block", width, 9, 11, kernel=7, hidden=4 * width)
    layer.depthwise.load_state_dict(block.conv_dw.state_dict())
    layer.norm.load_state_dict(block.norm.state_dict())
    layer.norm.eps = block.norm.eps
    with torch.no_grad():
        for mine, theirs in ((layer.expand, block.mlp.fc1), (layer.reduce, block.mlp.fc2)):
            mine.weight.copy_(theirs.weight.flatten(1))
            mine.bias.copy_(theirs.bias)
        layer.scale.copy_(block.gamma)
        x = image(layer)
        torch.testing.assert_close(layer(x), block(x))
