"""Neighbourhood attention: who is whose neighbour, and the masked form against a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.supernets.mixers.reference import Place, attend, image, lively, merge, normed, project, run
from vitnas.supernets.mixers.neighbourhood_attention import neighbours


def nearest(place: int, size: int, kernel: int, dilation: int) -> set[int]:
    """The `kernel` nearest places among those a whole number of dilations away."""
    same_phase = range(place % dilation, size, dilation)
    return set(sorted(same_phase, key=lambda other: abs(other - place))[:kernel])


@pytest.mark.parametrize(("size", "kernel", "dilation"), [(7, 3, 1), (7, 7, 1), (14, 7, 2), (13, 3, 3), (8, 3, 2)])
def test_neighbours_are_the_nearest_places(size: int, kernel: int, dilation: int) -> None:
    seen = neighbours(size, kernel, dilation)
    for place in range(size):
        assert set(np.flatnonzero(seen[place])) == nearest(place, size, kernel, dilation)
    assert (seen.sum(axis=1) == kernel).all()  # also at the border


@pytest.mark.parametrize("dilation", [1, 2])
def test_a_place_sees_its_neighbours(dilation: int) -> None:
    kernel = 3
    layer = lively(
        "neighbourhood_attention", height=6, breadth=7, heads=2, head_width=3, kernel=kernel, dilation=dilation
    )
    x = image(layer)
    q, k, v = (project(normed(layer, x), layer.qkv.weight[i], layer.qkv.bias[i]) for i in range(3))

    def sees(query: Place, key: Place) -> bool:
        return all(b in nearest(a, size, kernel, dilation) for a, b, size in zip(query, key, (6, 7), strict=True))

    def bias(query: Place, key: Place) -> torch.Tensor:
        down, across = ((a - b) // dilation + kernel - 1 for a, b in zip(query, key, strict=True))
        return layer.offset_bias[:, down, across]

    expected = merge(attend(q, k, v, sees, bias), layer.proj.weight, layer.proj.bias)
    torch.testing.assert_close(run(layer, x), expected.detach())


def test_a_neighbourhood_of_the_whole_map_is_one_window() -> None:
    """The check that DiNAT's Swin-like variant rests on."""
    attrs = {"heads": 2, "head_width": 3}
    layer = lively("neighbourhood_attention", height=5, breadth=5, **attrs, kernel=5, dilation=1)
    window = lively("window_attention", height=5, breadth=5, **attrs, window=5, shift=False)
    window.load_state_dict(layer.state_dict())
    x = image(layer)
    torch.testing.assert_close(run(layer, x), run(window, x))
