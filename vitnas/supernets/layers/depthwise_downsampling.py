"""Depthwise downsampling: every channel becomes several on a map half as large (PiT, SReT)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer, init_weight


class DepthwiseDownsampling(Layer):
    """(C, H, W) -> (mC, H/2, W/2), odd sides rounded up: m kernels of 3x3 and stride 2 for every channel."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        narrow, wide = spec.in_shape[0], spec.out_shape[0]
        if wide % narrow:
            raise SpaceError(
                f"layer kind 'depthwise_downsampling': {wide} channels cannot come from {narrow}, so many from each; choose a "
                f"multiple of {narrow}"
            )
        self.weight = nn.Parameter(init_weight(torch.empty(narrow, wide // narrow, 3, 3), 9))
        self.bias = nn.Parameter(torch.zeros(narrow, wide // narrow))

    def forward(self, x: Tensor) -> Tensor:
        kernels = self.weight.flatten(0, 1).unsqueeze(1)
        return F.conv2d(x, kernels, self.bias.flatten(), stride=2, padding=1, groups=x.shape[1])
