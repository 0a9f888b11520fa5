"""Feed-forward: two linear layers with GELU between them, on a residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Hidden
from vitnas.supernets.layers.layer import Layer, init_weight


class FeedForward(Layer):
    """x + W2 gelu(W1 norm(x)), from (T, width) to (T, width)."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden

    attrs: Attrs

    residual: ClassVar[bool] = True
    per_token: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.in_shape[-1]
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, self.attrs.hidden)
        self.reduce = nn.Linear(self.attrs.hidden, width)
        for linear in (self.expand, self.reduce):
            init_weight(linear.weight, linear.in_features)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.reduce(F.gelu(self.expand(self.norm(x))))
        return x + y
