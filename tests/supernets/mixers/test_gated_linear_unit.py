"""The gated-linear-unit mixer against its formula, and that it mixes."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from tests.supernets.mixers.reference import image, lively, normed, run


def test_a_gate_that_sees_its_surroundings_scales_the_value() -> None:
    layer = lively("gated_linear_unit", hidden=12, kernel=3)
    with torch.no_grad():
        x = image(layer)
        y = normed(layer, x)
        gate, value = (y @ part.weight[:, :, 0, 0].T + part.bias for part in (layer.gate, layer.value))
        near = F.conv2d(gate.permute(0, 3, 1, 2), layer.near.weight, layer.near.bias, padding=1, groups=12)
        gated = F.gelu(near).permute(0, 2, 3, 1) * value
        expected = gated @ layer.reduce.weight[:, :, 0, 0].T + layer.reduce.bias
        torch.testing.assert_close(run(layer, x), expected)


def test_a_place_learns_of_its_neighbours() -> None:
    layer = lively("gated_linear_unit", hidden=12, kernel=3)
    x = image(layer, batch=1)
    other = x.clone()
    other[:, 0, 0, 0] += 1
    moved = (run(layer, x) != run(layer, other)).any(dim=-1)[0]
    assert moved[:2, :2].all()
    assert moved.sum() == 4
