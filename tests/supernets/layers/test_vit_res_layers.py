"""The two layers of ViT-Res against their formulas, written token by token."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build


def lively(spec: LayerSpec) -> Any:
    torch.manual_seed(0)
    layer = build(spec).double().eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.4 * torch.randn_like(parameter))
    return layer


def test_reduction_is_that_of_maps_with_the_class_token_beside_it() -> None:
    layer = lively(LayerSpec.of("residual_reduction", (17, 6), (5, 10)))
    x = torch.randn(2, 17, 6, dtype=torch.double)
    on_maps = lively(LayerSpec.of("map_residual_reduction", (6, 4, 4), (10, 2, 2)))
    with torch.no_grad():
        on_maps.norm.load_state_dict(layer.norm.state_dict())
        on_maps.conv.load_state_dict(layer.conv.state_dict())
        on_maps.position.copy_(layer.position.permute(2, 0, 1))
        patches = on_maps(x[:, 1:].transpose(1, 2).reshape(2, 6, 4, 4))
        first = layer.linear(layer.norm(x[:, 0]))
        first[:, :6] += x[:, 0]
        y = layer(x)
    torch.testing.assert_close(y[:, 1:], patches.flatten(2).transpose(1, 2))
    torch.testing.assert_close(y[:, 0], first)


def test_the_embedding_looks_three_times_before_it_cuts() -> None:
    layer = lively(LayerSpec.of("conv_patch_embedding", (3, 16, 16), (17, 5), patch=4, hidden=6))
    x = torch.randn(2, 3, 16, 16, dtype=torch.double)

    def look(at: torch.Tensor, brick: Any, stride: int) -> torch.Tensor:
        return F.relu(brick.norm(F.conv2d(at, brick.conv.weight, stride=stride, padding=1)))

    with torch.no_grad():
        halved = look(x, layer.halve, 2)
        seen = halved + look(look(halved, layer.look, 1), layer.again, 1)
        y = layer(x)
        for row in range(4):
            for column in range(4):
                place = seen[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
                token = (place.flatten(1) @ layer.projection.weight.flatten(1).T) + layer.projection.bias
                torch.testing.assert_close(y[:, 1 + 4 * row + column], token + layer.position[row, column])
        torch.testing.assert_close(y[:, 0], (layer.class_token + layer.class_position).expand(2, -1))
