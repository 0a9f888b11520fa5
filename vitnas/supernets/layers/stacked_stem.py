"""Stacked stem: 3x3 convolutions one after the other turn an image into a first map."""

from __future__ import annotations

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class StackedStem(Layer):
    """(C, H, W) -> (width, H/s, W/s), normalised convolutions with an activation after each.

    ``strides`` has a digit for each convolution, as in "22" or "2112"; ``width0``, ``width1``, ... are the
    channels between them; ``bias`` and ``act_last`` switch the biases and the last activation on.
    """

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        strides = [int(digit) for digit in spec["strides"]]
        between = [spec[f"width{i}"] for i in range(len(strides) - 1)]
        widths = [spec.in_shape[0], *between, spec.out_shape[0]]
        self.convs = nn.ModuleList(
            ConvNorm(widths[i], widths[i + 1], 3, stride, bias=spec["bias"]) for i, stride in enumerate(strides)
        )

    def forward(self, x: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.spec["act"]]
        last = len(self.convs) - 1
        for i, conv in enumerate(self.convs):
            x = conv(x)
            if i < last or self.spec["act_last"]:
                x = activate(x)
        return x
