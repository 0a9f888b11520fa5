"""Recursive gated convolution against its recursion."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.supernets.mixers.reference import image, lively, normed, run


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_gates_multiply_in_ascending_width(order: int) -> None:
    layer = lively("recursive_gate", order=order, kernel=3)
    widths = [8 // 2 ** (order - 1 - i) for i in range(order)]
    with torch.no_grad():
        x = image(layer)
        y = normed(layer, x)
        parts = [y @ weight.T + bias for weight, bias in zip(layer.inward, layer.inward_bias, strict=True)]
        assert [part.shape[-1] for part in parts] == [widths[0], *widths]
        gates = []
        for conv, part in zip(layer.near, parts[1:], strict=True):
            near = F.conv2d(part.permute(0, 3, 1, 2), conv.weight, conv.bias, padding=1, groups=part.shape[-1])
            gates.append(near.permute(0, 2, 3, 1) / 3)
        z = parts[0] * gates[0]
        for widen, gate in zip(layer.widen, gates[1:], strict=True):
            z = (z @ widen.weight[:, :, 0, 0].T + widen.bias) * gate
        expected = z @ layer.outward.weight[:, :, 0, 0].T + layer.outward.bias
        torch.testing.assert_close(run(layer, x), expected)
