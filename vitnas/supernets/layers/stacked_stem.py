"""Stacked stem: 3x3 convolutions one after the other turn an image into a first map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.settings import Natural, about
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer

Between = Annotated[Natural, about("channels between two convolutions")]


class StackedStem(Layer):
    """(C, H, W) -> (width, H/s, W/s), normalised convolutions with an activation after each, then perhaps positions.

    ``width0``, ``width1`` and so on are given for every convolution but the last.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        act: Activation
        act_last: Annotated[bool, about("whether the activation follows the last convolution as well")]
        bias: Annotated[bool, about("biases on the convolutions")]
        strides: Annotated[
            str, about("the stride of each convolution, a digit each", pattern="^[1-9]+$", examples=["2112"])
        ]
        width0: Between = 0
        width1: Between = 0
        width2: Between = 0
        width3: Between = 0
        width4: Between = 0
        positions: Annotated[bool, about("whether every place of the first map has a learned position")] = False

        def __post_init__(self) -> None:
            between = len(self.strides) - 1
            if [width > 0 for width in self.widths] != [True] * between + [False] * (len(self.widths) - between):
                raise SpaceError(
                    f"layer kind 'stacked_stem': with strides '{self.strides}' the widths after the first {between} of "
                    f"{between + 1} convolutions must be given as width0, width1, ... (at most width4), got {self.widths}"
                )

        @property
        def widths(self) -> tuple[int, ...]:
            return self.width0, self.width1, self.width2, self.width3, self.width4

    attrs: Attrs

    averaged: ClassVar[Mapping[str, tuple[int, int]]] = {"position": (1, 2)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        strides = [int(digit) for digit in self.attrs.strides]
        between = self.attrs.widths[: len(strides) - 1]
        widths = [spec.in_shape[0], *between, spec.out_shape[0]]
        self.convs = nn.ModuleList(
            ConvNorm(widths[i], widths[i + 1], 3, stride, bias=self.attrs.bias) for i, stride in enumerate(strides)
        )
        self.position = nn.Parameter(torch.empty(spec.out_shape)) if self.attrs.positions else None
        if self.position is not None:
            nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.attrs.act]
        last = len(self.convs) - 1
        for i, conv in enumerate(self.convs):
            x = conv(x)
            if i < last or self.attrs.act_last:
                x = activate(x)
        return x if self.position is None else x + self.position
