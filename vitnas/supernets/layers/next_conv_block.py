"""Next-ViT's convolution block: multi-head convolutional attention and an FFN of 1x1 convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Hidden
from vitnas.supernets.layers.layer import Layer, init_weight

HEAD_WIDTH = 32


class ConvHeads(nn.Module):
    """A 3x3 convolution within each head of 32 channels, normalised, then a 1x1 across the heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.within = nn.Conv2d(width, width, 3, padding=1, groups=width // HEAD_WIDTH, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.across = nn.Conv2d(width, width, 1, bias=False)
        init_weight(self.within.weight, 9 * HEAD_WIDTH)
        init_weight(self.across.weight, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.across(F.relu(self.norm(self.within(x))))
        return y


class NormedConvFFN(nn.Module):
    """Batch normalisation and two 1x1 convolutions with ReLU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.expand = nn.Conv2d(width, hidden, 1)
        self.reduce = nn.Conv2d(hidden, width, 1)
        for conv in (self.expand, self.reduce):
            init_weight(conv.weight, conv.in_channels)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.reduce(F.relu(self.expand(self.norm(x))))
        return y


class NextConvBlock(Layer):
    """x + heads(x), then x + FFN(x), from (C, H, W) to (C, H, W); C is a multiple of 32."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden

    attrs: Attrs

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.heads = ConvHeads(spec.in_shape[0])
        self.ffn = NormedConvFFN(spec.in_shape[0], self.attrs.hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.heads(x)
        y: Tensor = x + self.ffn(x)
        return y
