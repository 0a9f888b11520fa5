"""Excited MBConv (DeepMAD): an inverted bottleneck whose squeeze-and-excitation is normalised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes, Hidden, OddKernel, Squeeze, Stride
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class ExcitedMBConv(Layer):
    """[x +] reduce(excite(act(depthwise(act(expand(x)))))), from (C, H, W) to (C', H/s, W/s).

    Unlike `MBConv`, it has a residual only where ``residual`` is set, which asks for equal shapes, and never a
    projection; the two convolutions of the excitation have no biases but norms.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        squeeze: Squeeze
        kernel: OddKernel
        stride: Stride
        residual: Annotated[bool, about("whether the input is added, which asks for equal shapes")]
        act: Activation

    attrs: Attrs

    residual: ClassVar[bool] = True

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"depthwise.conv.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        hidden, squeeze = self.attrs.hidden, self.attrs.squeeze
        self.expand = ConvNorm(spec.in_shape[0], hidden, bias=False)
        self.depthwise = ConvNorm(hidden, hidden, self.attrs.kernel, self.attrs.stride, groups=hidden, bias=False)
        self.squeeze = ConvNorm(hidden, squeeze, bias=False)
        self.excite = ConvNorm(squeeze, hidden, bias=False)
        self.reduce = ConvNorm(hidden, spec.out_shape[0], bias=False)

    def is_residual(self) -> bool:
        return bool(self.attrs.residual)

    def forward(self, x: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.attrs.act]
        wide = activate(self.depthwise(activate(self.expand(x))))
        share = self.excite(activate(self.squeeze(wide.mean(dim=(2, 3), keepdim=True))))
        y: Tensor = self.reduce(wide * torch.sigmoid(share))
        return x + y if self.attrs.residual else y
