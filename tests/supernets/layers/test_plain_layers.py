"""Patch embedding and classifier against their definitions."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.layers.channel_embedding import ChannelEmbedding
from vitnas.supernets.layers.classifier import Classifier
from vitnas.supernets.layers.patch_embedding import PatchEmbedding


def test_tokens_are_projected_patches_row_after_row_behind_the_class_token() -> None:
    layer = build(LayerSpec.of("patch_embedding", (3, 4, 6), (7, 5), patch=2))
    assert isinstance(layer, PatchEmbedding)
    x = torch.randn(2, 3, 4, 6)
    with torch.no_grad():
        y = layer(x)
        torch.testing.assert_close(y[:, 0], (layer.class_token + layer.class_position).expand(2, -1))
        for row in range(2):
            for column in range(3):
                patch = x[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten(1)
                expected = patch @ layer.projection.weight.flatten(1).T + layer.projection.bias
                expected += layer.position[row, column]
                torch.testing.assert_close(y[:, 1 + 3 * row + column], expected, rtol=1e-5, atol=1e-5)


def test_registers_stand_between_the_class_token_and_the_patches() -> None:
    layer = build(LayerSpec.of("patch_embedding", (3, 4, 6), (11, 5), patch=2, registers=4))
    assert isinstance(layer, PatchEmbedding)
    x = torch.randn(2, 3, 4, 6)
    y = layer(x)
    assert layer.registers is not None
    assert torch.equal(y[:, 1:5], layer.registers.expand(2, -1, -1))
    without = layer.narrow(LayerSpec.of("patch_embedding", (3, 4, 6), (7, 5), patch=2, registers=0))
    torch.testing.assert_close(without(x), torch.cat([y[:, :1], y[:, 5:]], dim=1))
    fewer = layer.narrow(LayerSpec.of("patch_embedding", (3, 4, 6), (9, 5), patch=2, registers=2))
    torch.testing.assert_close(fewer(x), torch.cat([y[:, :3], y[:, 5:]], dim=1))


def test_registers_left_out_of_a_spec_are_none() -> None:
    layer = build(LayerSpec.of("patch_embedding", (3, 4, 6), (7, 5), patch=2))
    assert {name for name, _ in layer.named_parameters()} == {
        "projection.weight",
        "projection.bias",
        "class_token",
        "class_position",
        "position",
    }


@pytest.mark.parametrize("registers", [0, 2])
def test_every_channel_has_a_token_for_every_patch(registers: int) -> None:
    attrs = {"patch": 2, "registers": registers}
    layer = build(LayerSpec.of("channel_embedding", (3, 4, 6), (19 + registers, 5), **attrs))
    assert isinstance(layer, ChannelEmbedding)
    x = torch.randn(2, 3, 4, 6)
    with torch.no_grad():
        y = layer(x)
        assert y.shape == (2, 1 + registers + 3 * 6, 5)
        torch.testing.assert_close(y[:, 0], (layer.class_token + layer.class_position).expand(2, -1))
        for channel in range(3):
            for row in range(2):
                for column in range(3):
                    patch = x[:, channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten(1)
                    expected = patch @ layer.projection.weight.flatten(1).T + layer.projection.bias
                    expected += layer.position[row, column] + layer.channel[channel]
                    found = y[:, 1 + registers + 6 * channel + 3 * row + column]
                    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        grey = layer.narrow(LayerSpec.of("channel_embedding", (1, 4, 6), (7 + registers, 5), **attrs))
        torch.testing.assert_close(grey(x[:, :1]), y[:, : 7 + registers])


def test_the_mean_leaves_registers_out() -> None:
    layer = build(LayerSpec.of("classifier", (7, 8), (3,), pool="mean", registers=2))
    x = torch.randn(2, 7, 8)
    other = x.clone()
    other[:, :3] = torch.randn(2, 3, 8)
    torch.testing.assert_close(layer(other), layer(x))
    plain = layer.narrow(LayerSpec.of("classifier", (5, 8), (3,), pool="mean", registers=0))
    torch.testing.assert_close(plain(torch.cat([x[:, :1], x[:, 3:]], dim=1)), layer(x))


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_the_classifier_reads_the_class_token_or_the_mean_of_the_others(pool: str) -> None:
    layer = build(LayerSpec.of("classifier", (5, 8), (3,), pool=pool))
    assert isinstance(layer, Classifier)
    x = torch.randn(2, 5, 8)
    with torch.no_grad():
        normed = F.layer_norm(x, (8,), eps=1e-6)
        pooled = normed[:, 0] if pool == "class" else normed[:, 1:].mean(dim=1)
        torch.testing.assert_close(layer(x), pooled @ layer.linear.weight.T + layer.linear.bias)
