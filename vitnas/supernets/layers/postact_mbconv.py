"""Post-activated MBConv: TinyViT's inverted bottleneck, activated after its residual."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Hidden
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class PostactMBConv(Layer):
    """gelu(x + reduce(gelu(depthwise(gelu(expand(x)))))), from (C, H, W) to (C, H, W)."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, hidden = spec.in_shape[0], self.attrs.hidden
        self.expand = ConvNorm(width, hidden, bias=False)
        self.depthwise = ConvNorm(hidden, hidden, 3, groups=hidden, bias=False)
        self.reduce = ConvNorm(hidden, width, bias=False)
        nn.init.zeros_(self.reduce.norm.weight)  # every block starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x + self.reduce(F.gelu(self.depthwise(F.gelu(self.expand(x))))))
