"""Depthwise convolution with batch normalisation, the local step between attention and FFN of TinyViT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, OddKernel
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class DepthwiseConv(Layer):
    """(C, H, W) -> (C, H, W) with an odd ``kernel``; smaller kernels are the middle of larger ones."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernel: OddKernel

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"body.conv.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.in_shape[0]
        self.body = ConvNorm(width, width, self.attrs.kernel, groups=width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y
