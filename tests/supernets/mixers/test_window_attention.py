"""Window attention, plain and shifted, against a loop and against timm's Swin block."""

from __future__ import annotations

import pytest
import torch

from tests.supernets.mixers.reference import Place, attend, image, lively, merge, normed, project, run
from tests.supernets.mixers.timm_models import timm_model


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("window", [2, 4])
def test_a_place_sees_its_window(window: int, shift: bool) -> None:
    layer = lively("window_attention", height=8, breadth=4, heads=2, head_width=3, window=window, shift=shift)
    x = image(layer)
    q, k, v = (project(normed(layer, x), layer.qkv.weight[i], layer.qkv.bias[i]) for i in range(3))
    moved = window // 2 if shift else 0

    def sees(query: Place, key: Place) -> bool:
        """Windows of a grid moved by half a window; those at the border are cut off by it."""
        return all((a - moved) // window == (b - moved) // window for a, b in zip(query, key, strict=True))

    def bias(query: Place, key: Place) -> torch.Tensor:
        return layer.offset_bias[:, query[0] - key[0] + window - 1, query[1] - key[1] + window - 1]

    expected = merge(attend(q, k, v, sees, bias), layer.proj.weight, layer.proj.bias)
    torch.testing.assert_close(run(layer, x), expected.detach())


@pytest.mark.parametrize("shift", [False, True])
def test_it_is_the_attention_of_timms_swin(shift: bool) -> None:
    block = timm_model("swin_tiny_patch4_window7_224").layers[1].blocks[int(shift)]
    layer = lively("window_attention", 192, 28, 28, heads=6, head_width=32, window=7, shift=shift)
    assert layer.norm.eps == block.norm1.eps
    attention = block.attn
    with torch.no_grad():
        layer.norm.weight.copy_(block.norm1.weight)
        layer.norm.bias.copy_(block.norm1.bias)
        layer.qkv.weight.copy_(attention.qkv.weight.view(3, 6, 32, 192))
        layer.qkv.bias.copy_(attention.qkv.bias.view(3, 6, 32))
        layer.proj.weight.copy_(attention.proj.weight.view(192, 6, 32))
        layer.proj.bias.copy_(attention.proj.bias)
        layer.offset_bias.copy_(attention.relative_position_bias_table.T.view(6, 13, 13))
        x = image(layer)
        y = x.permute(0, 2, 3, 1)
        torch.testing.assert_close(run(layer, x), block._attn(block.norm1(y)))
