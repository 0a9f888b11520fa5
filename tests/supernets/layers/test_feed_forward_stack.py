"""Feed-forward stacks against the same steps on each token."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.layers.feed_forward_stack import FeedForwardStack
from vitnas.supernets.layers.residual_scale import ResidualScale


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("rescale", [False, True])
@torch.no_grad()
def test_every_token_passes_all_ffns_with_one_scale(repeats: int, rescale: bool) -> None:
    torch.manual_seed(0)
    shape = (6, 2, 3)
    spec = LayerSpec.of("feed_forward_stack", shape, shape, hidden=9, repeats=repeats, rescale=rescale, act="hardswish")
    layer = build(spec)
    assert isinstance(layer, FeedForwardStack)
    for parameter in layer.parameters():
        parameter.normal_(0, 0.5)
    weights = layer.state_dict()
    x = torch.randn(1, *shape)
    y = layer(x)
    for i in range(2):
        for j in range(3):
            token = x[0, :, i, j]
            for n in range(repeats):
                normed = F.layer_norm(token, (6,), weights[f"norms.{n}.weight"], weights[f"norms.{n}.bias"])
                inner = F.hardswish(weights[f"expands.{n}.weight"] @ normed + weights[f"expands.{n}.bias"])
                step = weights[f"reduces.{n}.weight"] @ inner + weights[f"reduces.{n}.bias"]
                token = token + (step * weights["rescale.scale"] * 8 / 6 if rescale else step)
            torch.testing.assert_close(y[0, :, i, j], token, rtol=1e-4, atol=1e-5)


def test_a_scale_starts_near_nothing_and_in_proportion_to_the_width() -> None:
    y = torch.ones(1, 16)
    torch.testing.assert_close(ResidualScale(16)(y), y * 1e-4 / 2)
