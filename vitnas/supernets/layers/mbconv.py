"""MBConv: the inverted bottleneck of mobile networks, always beside a shortcut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, Natural, about
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes, OddKernel, Stride
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class MBConv(Layer):
    """shortcut(x) + reduce(excite(act(depthwise(act(expand(x)))))), from (C, H, W) to (C', H/s, W/s).

    The shortcut averages 2x2 where the stride is 2 (of an odd map, the last row and column are averages of what is
    there) and has a 1x1 convolution where ``project`` is set; otherwise it is x.
    ``project`` is an attribute, not a comparison of C and C': a site where they may be equal or not keeps the weight, also
    where its largest layer has none. Kernel and stride are those of the depthwise convolution. The squeeze-and-excitation
    is two biased 1x1 convolutions.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Annotated[Count, about("channels of the depthwise convolution")]
        expand: Annotated[bool, about("whether a 1x1 convolution leads to them; without it, hidden is C")]
        kernel: OddKernel
        stride: Stride
        project: Annotated[bool, about("whether C and C' differ")]
        squeeze: Annotated[Natural, about("channels inside the squeeze-and-excitation, 0 for none")]
        act: Activation

    attrs: Attrs

    residual: ClassVar[bool] = True

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"depthwise.conv.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, out_width = spec.in_shape[0], spec.out_shape[0]
        hidden, squeeze = self.attrs.hidden, self.attrs.squeeze
        self.expand = ConvNorm(width, hidden, bias=False) if self.attrs.expand else None
        self.depthwise = ConvNorm(hidden, hidden, self.attrs.kernel, self.attrs.stride, groups=hidden, bias=False)
        self.squeeze = nn.Conv2d(hidden, squeeze, 1) if squeeze else None
        self.excite = nn.Conv2d(squeeze, hidden, 1) if squeeze else None
        self.reduce = ConvNorm(hidden, out_width, bias=False)
        self.shortcut = nn.Conv2d(width, out_width, 1, bias=False) if self.attrs.project else None
        nn.init.zeros_(self.reduce.norm.weight)  # a new block is its shortcut
        for conv in (self.squeeze, self.excite, self.shortcut):
            if conv is not None:
                nn.init.kaiming_normal_(conv.weight, mode="fan_out")
                if conv.bias is not None:
                    nn.init.zeros_(conv.bias)

    def is_residual(self) -> bool:
        return super().is_residual() and self.shortcut is None

    def forward(self, x: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.attrs.act]
        y = x if self.expand is None else activate(self.expand(x))
        y = activate(self.depthwise(y))
        if self.squeeze is not None and self.excite is not None:
            y = y * F.hardsigmoid(self.excite(F.relu(self.squeeze(y.mean(dim=(2, 3), keepdim=True)))))
        y = self.reduce(y)
        if self.attrs.stride > 1:
            odd = any(size % 2 for size in self.spec.in_shape[1:])
            x = F.avg_pool2d(x, 2, ceil_mode=odd, count_include_pad=False)
        result: Tensor = y + (x if self.shortcut is None else self.shortcut(x))
        return result
