"""Recursive gated convolution (HorNet): gates of growing width multiply what passed the gates before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes, OddKernel
from vitnas.supernets.mixers.mixer import ConvMixer, depthwise, drawn, zeros

MOST_ORDERS = 8


class RecursiveGate(ConvMixer):
    """Gates of growing width, each on what passed the one before.

    Gate i is width / 2^(order - 1 - i) broad. x <- p g_0, then x <- (1x1 of x) g_i up to the full
    width, then a last 1x1; gates pass a depthwise convolution and a third of it. Every gate keeps
    weights of its own, so a smaller width takes the first channels of each.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        order: Annotated[Count, about("gates; 2^(order - 1) divides the width")]
        kernel: OddKernel

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {f"near.{i}.weight": (2, 3) for i in range(MOST_ORDERS)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, order = spec.in_shape[0], self.attrs.order
        self.widths = [width >> order - 1 - i for i in range(order)]
        parts = [self.widths[0], *self.widths]
        self.inward = nn.ParameterList(drawn(part, width, fan_in=width) for part in parts)
        self.inward_bias = nn.ParameterList(zeros(part) for part in parts)
        self.near = nn.ModuleList(depthwise(part, self.attrs.kernel) for part in self.widths)
        self.widen = nn.ModuleList(
            nn.Conv2d(narrow, wide, 1) for narrow, wide in zip(self.widths, self.widths[1:], strict=False)
        )
        self.outward = nn.Conv2d(width, width, 1)

    def convolve(self, x_BDHW: Tensor) -> Tensor:
        weight, bias = torch.cat(list(self.inward)), torch.cat(list(self.inward_bias))
        y_BDHW = F.conv2d(x_BDHW, weight[:, :, None, None], bias)
        first, *parts = torch.split(y_BDHW, [self.widths[0], *self.widths], dim=1)
        gates = [near(part) / 3 for near, part in zip(self.near, parts, strict=True)]
        y = first * gates[0]
        for widen, gate in zip(self.widen, gates[1:], strict=True):
            y = widen(y) * gate
        z: Tensor = self.outward(y)
        return z
