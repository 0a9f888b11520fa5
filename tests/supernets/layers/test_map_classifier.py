"""Both heads of the map classifier, and the order of its norm and its mean."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.layers.map_classifier import MapClassifier


def _classifier(norm: str, pool_first: bool, distilled: bool) -> MapClassifier:
    spec = LayerSpec.of("map_classifier", (6, 3, 3), (4,), norm=norm, pool_first=pool_first, distilled=distilled)
    layer = build(spec).eval()
    assert isinstance(layer, MapClassifier)
    with torch.no_grad():
        layer.bias.normal_()
    return layer


@torch.no_grad()
def test_the_answer_is_the_mean_of_label_and_teacher() -> None:
    layer, x = _classifier("batch", pool_first=False, distilled=True), torch.randn(2, 6, 3, 3)
    label, teacher = (
        x.mean((2, 3)) / (1 + 1e-5) ** 0.5 @ w.T + b for w, b in zip(layer.weight, layer.bias, strict=True)
    )
    torch.testing.assert_close(layer.heads(x), torch.stack([label, teacher], dim=1))
    torch.testing.assert_close(layer(x), (label + teacher) / 2)


@torch.no_grad()
def test_the_norm_stands_before_or_after_the_mean() -> None:
    x = torch.randn(2, 6, 3, 3)
    for pool_first in (False, True):
        layer = _classifier("layer", pool_first, distilled=False)
        tokens = x.flatten(2).transpose(1, 2)
        pooled = F.layer_norm(tokens.mean(1), (6,)) if pool_first else F.layer_norm(tokens, (6,)).mean(1)
        torch.testing.assert_close(layer(x), pooled @ layer.weight[0].T + layer.bias[0])


@torch.no_grad()
def test_the_smaller_epsilon_tells_small_differences_of_averaged_channels() -> None:
    x = 1e-3 * torch.randn(2, 6, 3, 3)
    for norm, eps in (("layer", 1e-5), ("layer-1e-6", 1e-6)):
        layer = _classifier(norm, pool_first=True, distilled=False)
        pooled = F.layer_norm(x.mean((2, 3)), (6,), eps=eps)
        torch.testing.assert_close(layer(x), pooled @ layer.weight[0].T + layer.bias[0])
