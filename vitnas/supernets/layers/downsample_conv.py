"""Downsampling convolution: 3x3 of stride 2 with batch normalisation, between two stages."""

from __future__ import annotations

from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class DownsampleConv(Layer):
    """(C, H, W) -> (width, H/2, W/2), odd sides rounded up."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.body = ConvNorm(spec.in_shape[0], spec.out_shape[0], 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y
