"""Convolution head: widens a map before it is averaged, then two linear layers (MobileNetV3's)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class ConvHead(Layer):
    """(C, H, W) -> (classes): act(norm(1x1 to ``hidden``)), mean, act(linear to ``features``), linear.

    ``bias`` puts biases on all but the last linear layer, which always has one.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Annotated[Count, about("channels of the 1x1 convolution")]
        features: Annotated[Count, about("channels of the linear layer before the classes")]
        bias: Annotated[bool, about("biases on all but the last linear layer, which always has one")]
        act: Activation

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.widen = ConvNorm(spec.in_shape[0], self.attrs.hidden, bias=self.attrs.bias)
        self.mix = nn.Linear(self.attrs.hidden, self.attrs.features, bias=self.attrs.bias)
        self.linear = nn.Linear(self.attrs.features, spec.out_shape[0])
        nn.init.kaiming_normal_(self.mix.weight, mode="fan_out")
        nn.init.trunc_normal_(self.linear.weight, std=0.02)
        for linear in (self.mix, self.linear):
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.attrs.act]
        pooled = activate(self.widen(x)).mean(dim=(2, 3))
        logits: Tensor = self.linear(activate(self.mix(pooled)))
        return logits
