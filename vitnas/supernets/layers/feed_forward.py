"""Feed-forward: two linear layers with an activation between them, on a residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Hidden, TokenNorm
from vitnas.supernets.layers.gelu import GELUS, Gelu
from vitnas.supernets.layers.layer import LAYER_NORM_EPS, Layer, init_weight


class FeedForward(Layer):
    """x + W2 act(W1 norm(x)), from (T, width) to (T, width)."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        act: Gelu = "gelu"
        norm: TokenNorm = "layer-1e-6"

    attrs: Attrs

    residual: ClassVar[bool] = True
    per_token: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.in_shape[-1]
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS[self.attrs.norm])
        self.expand = nn.Linear(width, self.attrs.hidden)
        self.reduce = nn.Linear(self.attrs.hidden, width)
        for linear in (self.expand, self.reduce):
            init_weight(linear.weight, linear.in_features)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.reduce(GELUS[self.attrs.act](self.expand(self.norm(x))))
        return x + y
