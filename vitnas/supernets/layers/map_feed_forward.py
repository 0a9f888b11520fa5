"""Feed-forward on maps: two linear layers with GELU between them at every place, on a residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attributes import Attributes, Hidden
from vitnas.supernets.layers.layer import Layer, init_weight


class MapFeedForward(Layer):
    """x + s W2 gelu(W1 norm(x)), from (C, H, W) to (C, H, W); without ``layer_scale``, s is 1."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        layer_scale: Annotated[bool, about("whether the scale s is learned for each channel; otherwise it is 1")]

    attrs: Attrs

    residual: ClassVar[bool] = True
    per_token: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.in_shape[0]
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, self.attrs.hidden)
        self.reduce = nn.Linear(self.attrs.hidden, width)
        self.scale = nn.Parameter(torch.full((width,), 1e-5)) if self.attrs.layer_scale else None
        for linear in (self.expand, self.reduce):
            init_weight(linear.weight, linear.in_features)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.reduce(F.gelu(self.expand(self.norm(x.permute(0, 2, 3, 1)))))
        if self.scale is not None:
            y = self.scale * y
        return x + y.permute(0, 3, 1, 2)
