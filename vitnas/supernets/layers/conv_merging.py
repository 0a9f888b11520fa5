"""Convolutional merging: TinyViT's transition, which halves the map between two 1x1 convolutions."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class ConvMerging(Layer):
    """(C, H, W) -> (width, H/2, W/2): 1x1, GELU, depthwise 3x3 of stride 2, GELU, 1x1."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.out_shape[0]
        self.expand = ConvNorm(spec.in_shape[0], width, bias=False)
        self.depthwise = ConvNorm(width, width, 3, stride=2, groups=width, bias=False)
        self.mix = ConvNorm(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mix(F.gelu(self.depthwise(F.gelu(self.expand(x)))))
        return y
