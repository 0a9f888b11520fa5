"""Gated-linear-unit mixer (Activator): a GLU whose gate sees its surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Hidden, OddKernel
from vitnas.supernets.mixers.mixer import ConvMixer, depthwise


class GatedLinearUnit(ConvMixer):
    """W2(gelu(depthwise(W1 x)) * W3 x).

    Activator replaces attention by a GLU at every place, which moves nothing between places. This
    definition, our own, lets the gate see kernel x kernel places by a depthwise convolution: it mixes,
    and fits maps of any size, as a dense layer over tokens would not.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        kernel: OddKernel

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"near.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, hidden = spec.in_shape[0], self.attrs.hidden
        self.gate = nn.Conv2d(width, hidden, 1)
        self.near = depthwise(hidden, self.attrs.kernel)
        self.value = nn.Conv2d(width, hidden, 1)
        self.reduce = nn.Conv2d(hidden, width, 1)

    def convolve(self, x_BDHW: Tensor) -> Tensor:
        y: Tensor = self.reduce(F.gelu(self.near(self.gate(x_BDHW))) * self.value(x_BDHW))
        return y
