"""Mixer: what every token mixer on maps shares, a norm before it and a residual around it."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer, init_weight

# Shape suffixes of all mixers: B batch, H height and W breadth of the map, D width (channels), T tokens,
# S other tokens, N heads, E head width.


class Mixer(Layer):
    """x + mix(norm(x)), from a map (D, H, W) to a map of the same shape.

    The norm is a LayerNorm over channels, also where authors put a BatchNorm before their mixer: it
    has no statistics that every subnet of a supernet would need for itself.
    """

    residual: ClassVar[bool] = True

    norm_eps: ClassVar[float] = 1e-6

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.norm = nn.LayerNorm(spec.in_shape[0], eps=self.norm_eps)

    @abstractmethod
    def mix(self, x_BHWD: Tensor) -> Tensor:
        """(B, H, W, D) -> (B, H, W, D): what is added to the map."""

    def forward(self, x_BDHW: Tensor) -> Tensor:
        mixed_BHWD = self.mix(self.norm(x_BDHW.permute(0, 2, 3, 1)))
        return x_BDHW + mixed_BHWD.permute(0, 3, 1, 2)


class ConvMixer(Mixer):
    """A mixer that is written on channels first."""

    @abstractmethod
    def convolve(self, x_BDHW: Tensor) -> Tensor:
        """(B, D, H, W) -> (B, D, H, W): what is added to the map."""

    def mix(self, x_BHWD: Tensor) -> Tensor:
        return self.convolve(x_BHWD.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def drawn(*shape: int, fan_in: int) -> nn.Parameter:
    """A weight that sums over `fan_in` inputs."""
    return nn.Parameter(init_weight(torch.empty(shape), fan_in))


def small(*shape: int) -> nn.Parameter:
    """A table that starts near zero, such as one of position biases."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))


def zeros(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))


def depthwise(width: int, kernel: int, bias: bool = True) -> nn.Conv2d:
    """A depthwise convolution that keeps the map's size."""
    conv = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width, bias=bias)
    nn.init.normal_(conv.weight, std=(1.0 / kernel**2) ** 0.5)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
