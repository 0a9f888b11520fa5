"""Window merging: at first the mean of every window, and then a linear map of its patches."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.counting.counts import count_layer
from vitnas.supernets.layers import build
from vitnas.supernets.layers.window_merging import WindowMerging

ROWS, COLUMNS, WIDTH = 4, 6, 5


def merging(down: int, across: int, width: int = WIDTH) -> LayerSpec:
    patches = ROWS * COLUMNS
    shapes = (1 + patches, width), (1 + patches // (down * across), width)
    return LayerSpec.of("window_merging", *shapes, columns=COLUMNS, down=down, across=across)


windows = pytest.mark.parametrize(("down", "across"), [(1, 2), (2, 1), (2, 2), (4, 3)])


@torch.no_grad()
@windows
def test_it_starts_as_the_mean_in_every_slice(down: int, across: int) -> None:
    whole = build(LayerSpec.join([merging(4, 3), merging(2, 2)]))
    x = torch.randn(2, 1 + ROWS * COLUMNS, WIDTH)
    means = F.avg_pool2d(x[:, 1:].transpose(1, 2).reshape(2, WIDTH, ROWS, COLUMNS), (down, across))
    expected = torch.cat([x[:, :1], means.flatten(2).transpose(1, 2)], dim=1)
    for layer in (build(merging(down, across)), whole.at(merging(down, across))):
        torch.testing.assert_close(layer(x), expected)


@torch.no_grad()
@windows
def test_it_is_a_strided_convolution(down: int, across: int) -> None:
    layer = build(merging(down, across))
    assert isinstance(layer, WindowMerging)
    layer.weight.normal_()
    layer.bias.normal_()
    x = torch.randn(2, 1 + ROWS * COLUMNS, WIDTH)
    kernel = layer.weight.permute(0, 3, 1, 2) / (down * across)
    image = x[:, 1:].transpose(1, 2).reshape(2, WIDTH, ROWS, COLUMNS)
    found = F.conv2d(image, kernel, layer.bias, stride=(down, across)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(layer(x)[:, 1:], found, rtol=0, atol=1e-4)
    assert count_layer(layer.spec).macs == ROWS * COLUMNS * WIDTH**2
