"""Convolution stem: one normalised, activated convolution that takes an image of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes, OddKernel
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class ConvStem(Layer):
    """(C, r, r) -> (width, r / stride, r / stride).

    Spaces with a gene for the resolution train on images of one size: an image that is not r x r is interpolated
    first. A network that is given r x r, as when it is timed or exported, holds no interpolation.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernel: OddKernel
        stride: Annotated[Count, about("how many times smaller the map is than the image")]
        act: Activation

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.conv = ConvNorm(spec.in_shape[0], spec.out_shape[0], self.attrs.kernel, self.attrs.stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        size = list(self.spec.in_shape[1:])
        if list(x.shape[2:]) != size:
            x = F.interpolate(x, size=size, mode="bilinear", antialias=True)
        return ACTIVATIONS[self.attrs.act](self.conv(x))
