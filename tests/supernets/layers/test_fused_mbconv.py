"""The fused inverted bottleneck against its formula written with torch's functions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build


def test_it_expands_excites_and_reduces_beside_the_input() -> None:
    torch.manual_seed(0)
    spec = LayerSpec.of("fused_mbconv", (6, 5, 5), (6, 5, 5), hidden=12, squeeze=3, act="silu")
    layer: Any = build(spec).double().eval()
    with torch.no_grad():
        for name, value in layer.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if "norm" in name else torch.randn_like(value))

        def conv(x: Tensor, brick: Any) -> Tensor:
            norm, weight = brick.norm, brick.conv.weight
            y = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
            return F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias)

        x = torch.randn(2, 6, 5, 5, dtype=torch.double)
        wide = F.silu(conv(x, layer.expand))
        squeezed = F.relu(F.linear(wide.mean((2, 3)), layer.squeeze.weight[:, :, 0, 0], layer.squeeze.bias))
        share = F.hardsigmoid(F.linear(squeezed, layer.excite.weight[:, :, 0, 0], layer.excite.bias))
        torch.testing.assert_close(layer(x), x + conv(wide * share[:, :, None, None], layer.reduce))
