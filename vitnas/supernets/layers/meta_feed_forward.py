"""Meta feed-forward: EfficientFormer's FFN of 1x1 convolutions, with a depthwise 3x3 inside for V2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attributes import Attributes, Hidden
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class MetaFeedForward(Layer):
    """x + s reduce(gelu(expand(x))) from (C, H, W) to (C, H, W), each convolution normalised by its batch.

    With ``depthwise``, a depthwise 3x3 and another GELU stand between the two.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        depthwise: Annotated[bool, about("whether a depthwise 3x3 and another GELU stand between the two")]

    attrs: Attrs

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, hidden = spec.in_shape[0], self.attrs.hidden
        self.expand = ConvNorm(width, hidden)
        self.depthwise = ConvNorm(hidden, hidden, 3, groups=hidden) if self.attrs.depthwise else None
        self.reduce = ConvNorm(hidden, width)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.expand(x))
        if self.depthwise is not None:
            y = F.gelu(self.depthwise(y))
        z: Tensor = self.reduce(y)
        return x + self.scale * z
