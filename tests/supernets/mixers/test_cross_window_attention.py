"""Cross-shaped window attention against loops, and where its position convolution stops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.supernets.mixers.reference import Place, attend, image, lively, normed, project, run


def expected_of(layer: torch.nn.Module, x: Tensor, stripe: int, border: bool = True) -> Tensor:
    y = normed(layer, x)
    heads, head_width = layer.spec["half_heads"], layer.spec["head_width"]
    halves = []
    for half in (0, 1):
        q, k, v = (project(y, layer.qkv_weight[i, half], layer.qkv_bias[i, half]) for i in range(3))
        axis = 1 - half  # half 0 lies in vertical stripes: columns decide

        def sees(query: Place, key: Place, axis: int = axis) -> bool:
            return query[axis] // stripe == key[axis] // stripe

        values = v.flatten(-2)
        position = torch.zeros_like(values)
        kernel = layer.position_weight[half].reshape(heads * head_width, 3, 3)
        places = [(a, b) for a in range(y.shape[1]) for b in range(y.shape[2])]
        for here in places:
            for there in places:
                down, across = there[0] - here[0], there[1] - here[1]
                if max(abs(down), abs(across)) <= 1 and (sees(here, there) or not border):
                    position[:, here[0], here[1]] += kernel[:, down + 1, across + 1] * values[:, there[0], there[1]]
        position += layer.position_bias[half].flatten()
        halves.append(attend(q, k, v, sees).flatten(-2) + position)
    weight = layer.proj_weight.flatten(1)
    return F.linear(torch.cat(halves, dim=-1), weight, layer.proj_bias).detach()


@pytest.mark.parametrize("stripe", [1, 2])
def test_halves_see_stripes_and_convolve_inside_them(stripe: int) -> None:
    layer = lively("cross_window_attention", half_heads=2, head_width=2, stripe=stripe)
    x = image(layer)
    torch.testing.assert_close(run(layer, x), expected_of(layer, x, stripe))


def test_positions_stop_at_the_border_of_a_stripe() -> None:
    layer = lively("cross_window_attention", half_heads=2, head_width=2, stripe=2)
    x = image(layer)
    assert not torch.allclose(run(layer, x), expected_of(layer, x, 2, border=False))


def test_a_stripe_as_broad_as_the_map_is_full_attention() -> None:
    layer = lively("cross_window_attention", height=4, breadth=4, half_heads=2, head_width=2, stripe=4)
    x = image(layer)
    torch.testing.assert_close(run(layer, x), expected_of(layer, x, 4, border=False))
