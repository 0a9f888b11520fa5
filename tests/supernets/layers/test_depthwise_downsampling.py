"""Depthwise downsampling against one convolution for every channel."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.layers.depthwise_downsampling import DepthwiseDownsampling


@torch.no_grad()
def test_every_channel_gives_as_many_with_kernels_of_its_own() -> None:
    torch.manual_seed(0)
    layer = build(LayerSpec.of("depthwise_downsampling", (4, 6, 5), (12, 3, 3)))
    assert isinstance(layer, DepthwiseDownsampling)
    layer.bias.normal_()
    x = torch.randn(2, 4, 6, 5)
    each = [F.conv2d(x[:, [c]], layer.weight[c][:, None], layer.bias[c], stride=2, padding=1) for c in range(4)]
    torch.testing.assert_close(layer(x), torch.cat(each, dim=1))
    small = layer.narrow(LayerSpec.of("depthwise_downsampling", (2, 6, 5), (6, 3, 3)))
    torch.testing.assert_close(small(x[:, :2]), torch.cat(each[:2], dim=1))


def test_channels_of_unequal_numbers_are_refused() -> None:
    with pytest.raises(SpaceError, match="6 channels cannot come from 4, so many from each; choose a multiple of 4"):
        build(LayerSpec.of("depthwise_downsampling", (4, 2, 2), (6, 1, 1)))
