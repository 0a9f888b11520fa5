"""Bottleneck convolution: the block of ResNet-50, with a pooled shortcut where it halves the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes, Hidden, OddKernel, Stride
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class BottleneckConv(Layer):
    """act(shortcut(x) + expand(act(middle(act(reduce(x)))))), from (C, H, W) to (C', H/s, W/s).

    The shortcut averages 2x2 where the stride is 2 (see `MBConv` for odd maps) and has a normalised 1x1
    convolution where ``project`` is set.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        kernel: OddKernel
        stride: Stride
        project: Annotated[bool, about("whether the shortcut has a normalised 1x1 convolution")]
        act: Activation

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"middle.conv.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, out_width, hidden = spec.in_shape[0], spec.out_shape[0], self.attrs.hidden
        self.reduce = ConvNorm(width, hidden, bias=False)
        self.middle = ConvNorm(hidden, hidden, self.attrs.kernel, self.attrs.stride, bias=False)
        self.expand = ConvNorm(hidden, out_width, bias=False)
        self.shortcut = ConvNorm(width, out_width, bias=False) if self.attrs.project else None
        nn.init.zeros_(self.expand.norm.weight)  # a new block is its shortcut

    def forward(self, x: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.attrs.act]
        y = self.expand(activate(self.middle(activate(self.reduce(x)))))
        if self.attrs.stride > 1:
            odd = any(size % 2 for size in self.spec.in_shape[1:])
            x = F.avg_pool2d(x, 2, ceil_mode=odd, count_include_pad=False)
        return activate(y + (x if self.shortcut is None else self.shortcut(x)))
