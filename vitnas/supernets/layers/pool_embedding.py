"""Pool embedding: Next-ViT's change of width, after an average of 2x2 where the map is halved."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Stride
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class PoolEmbedding(Layer):
    """(C, H, W) -> (width, H/stride, W/stride) for a ``stride`` of 1 or 2, odd sides rounded up."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        stride: Stride

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.body = ConvNorm(spec.in_shape[0], spec.out_shape[0], bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.attrs.stride == 2:
            x = F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False)
        y: Tensor = self.body(x)
        return y
