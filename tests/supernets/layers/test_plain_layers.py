"""Patch embedding and classifier against their definitions."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
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


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_the_classifier_reads_the_class_token_or_the_mean_of_the_others(pool: str) -> None:
    layer = build(LayerSpec.of("classifier", (5, 8), (3,), pool=pool))
    assert isinstance(layer, Classifier)
    x = torch.randn(2, 5, 8)
    with torch.no_grad():
        normed = F.layer_norm(x, (8,), eps=1e-6)
        pooled = normed[:, 0] if pool == "class" else normed[:, 1:].mean(dim=1)
        torch.testing.assert_close(layer(x), pooled @ layer.linear.weight.T + layer.linear.bias)
