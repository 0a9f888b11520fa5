"""Fused MBConv (EfficientNetV2): expansion and depthwise convolution joined in one 3x3 convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes, Hidden, Squeeze
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class FusedMBConv(Layer):
    """x + reduce(excite(act(3x3 expand(x)))), from (C, H, W) to (C, H, W).

    The squeeze-and-excitation is two biased 1x1 convolutions.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        squeeze: Squeeze
        act: Activation

    attrs: Attrs

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, hidden, squeeze = spec.in_shape[0], self.attrs.hidden, self.attrs.squeeze
        self.expand = ConvNorm(width, hidden, 3, bias=False)
        self.squeeze = nn.Conv2d(hidden, squeeze, 1)
        self.excite = nn.Conv2d(squeeze, hidden, 1)
        self.reduce = ConvNorm(hidden, width, bias=False)
        nn.init.zeros_(self.reduce.norm.weight)  # a new block is the identity
        for conv in (self.squeeze, self.excite):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        wide = ACTIVATIONS[self.attrs.act](self.expand(x))
        share = self.excite(F.relu(self.squeeze(wide.mean(dim=(2, 3), keepdim=True))))
        y: Tensor = self.reduce(wide * F.hardsigmoid(share))
        return x + y
