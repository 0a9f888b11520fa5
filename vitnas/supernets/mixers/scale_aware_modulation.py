"""Scale-aware modulation (SMT): heads with kernels of growing size, joined by groups, scale the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.mixers.mixer import ConvMixer, depthwise, drawn, zeros


class ScaleAwareModulation(ConvMixer):
    """proj(modulator * value).

    Scale i sees a depthwise kernel of 3 + 2 i. Channel j of all scales then forms a group of a 1x1
    convolution to twice the width: without that order, a group would join channels of one scale only.
    Scales are an axis of their weights, so a smaller width takes the first channels of each.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        scales: Annotated[Count, about("depthwise kernels of growing size, whose number divides the width")]

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, scales = spec.in_shape[0], self.attrs.scales
        each = width // scales
        self.value = nn.Conv2d(width, width, 1)
        self.scales_weight = drawn(scales, each, width, fan_in=width)
        self.scales_bias = zeros(scales, each)
        self.near = nn.ModuleList(depthwise(each, 3 + 2 * i) for i in range(scales))
        self.join = nn.Conv2d(width, 2 * width, 1, groups=each)
        self.join_norm = nn.BatchNorm2d(2 * width)
        self.reduce = nn.Conv2d(2 * width, width, 1)
        self.proj = nn.Conv2d(width, width, 1)

    def convolve(self, x_BDHW: Tensor) -> Tensor:
        _, width, height, breadth = x_BDHW.shape
        scales = self.attrs.scales
        parts = F.conv2d(x_BDHW, self.scales_weight.flatten(0, 1)[:, :, None, None], self.scales_bias.flatten())
        each = torch.split(parts, width // scales, dim=1)
        # (B, D / scales, scales, places): channel j of all scales side by side.
        seen = [near(part).flatten(2) for near, part in zip(self.near, each, strict=True)]
        mixed = torch.stack(seen, dim=2).reshape(-1, width, height, breadth)
        modulator = self.reduce(F.gelu(self.join_norm(self.join(mixed))))
        y: Tensor = self.proj(modulator * self.value(x_BDHW))
        return y
