"""What must hold of Next-ViT's transformer block whatever its weights."""

from __future__ import annotations

import torch

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.layers.next_transformer_block import NextTransformerBlock, ReducedAttention


def _spec(low: int, reduction: int = 2) -> LayerSpec:
    wide = low * 4 // 3
    return LayerSpec.of("next_transformer_block", (low, 4, 4), (wide, 4, 4), hidden=2 * wide, reduction=reduction)


def _block(low: int) -> NextTransformerBlock:
    block = build(_spec(low)).eval()
    assert isinstance(block, NextTransformerBlock)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_(0, 0.1)
    return block


@torch.no_grad()
def test_every_channel_stays_in_its_branch_when_the_block_gets_narrower() -> None:
    large = _block(192)
    large.ffn.reduce.weight.zero_()
    large.ffn.reduce.bias.zero_()
    large.heads.across.weight.zero_()
    large.narrowing.norm.weight.zero_()
    large.narrowing.norm.bias.zero_()
    for low in (96, 192):
        y = large.narrow(_spec(low))(torch.randn(1, low, 4, 4))
        silent = (y == 0).all(dim=(0, 2, 3))
        assert silent.tolist() == [c % 128 >= 96 for c in range(low * 4 // 3)]


@torch.no_grad()
def test_keys_are_means_of_consecutive_places_of_a_row() -> None:
    attention = ReducedAttention(32, strip=4).eval()
    for parameter in attention.parameters():
        parameter.normal_(0, 0.3)
    x = torch.randn(1, 32, 16)  # a 4x4 map in raster order
    within_a_row, within_a_square = torch.arange(16), torch.arange(16)
    within_a_row[[0, 3]] = torch.tensor([3, 0])
    within_a_square[[0, 4]] = torch.tensor([4, 0])
    torch.testing.assert_close(attention(x[:, :, within_a_row]), attention(x)[:, :, within_a_row])
    assert not torch.allclose(attention(x[:, :, within_a_square]), attention(x)[:, :, within_a_square], atol=1e-3)
