"""Widening classifier: a 1x1 convolution to many channels, their averages, one linear layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Natural, about
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer, init_weight


class WideningClassifier(Layer):
    """(C, H, W) -> (classes): linear(mean(act(norm(1x1 to ``hidden``)))); with ``hidden`` 0, linear(mean(x))."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Annotated[Natural, about("channels that are averaged, 0 to average the map as it is")]
        act: Activation

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, hidden = spec.in_shape[0], self.attrs.hidden
        self.widen = ConvNorm(width, hidden, bias=False) if hidden else None
        self.linear = nn.Linear(hidden or width, spec.out_shape[0])
        init_weight(self.linear.weight, hidden or width)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.widen is not None:
            x = ACTIVATIONS[self.attrs.act](self.widen(x))
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits
