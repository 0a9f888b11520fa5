"""Stochastic depth that knows how deep the subnet is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.layers import outline


def is_residual(spec: LayerSpec) -> bool:
    """Whether the layer of this spec is x + f(x)."""
    return outline(spec).is_residual()


def drop_rates(blueprint: Blueprint, rate: float, largest_depth: int) -> list[float]:
    """The rate of each layer: 0 for those that are no residual, and for the others rising linearly from 0 on.

    The last of them has `rate` times the share that their number is of `largest_depth`, so that shallow
    subnets, which have nothing to spare, drop less.
    """
    residual = [is_residual(spec) for spec in blueprint]
    depth = sum(residual)
    step = rate / max(1, depth - 1) * depth / largest_depth if depth else 0.0
    before = 0
    rates = []
    for each in residual:
        rates.append(step * before if each else 0.0)
        before += each
    return rates


class DropPath(nn.Module):
    """A residual layer x + f(x) as x + m f(x); for each image, m is 0 at this rate and else as large as makes its mean 1.

    Draws come from torch's global generator. Only for training: a supernet leaves it out otherwise.
    """

    def __init__(self, layer: nn.Module, rate: float) -> None:
        super().__init__()
        self.layer = layer
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        kept = torch.rand(x.shape[0], *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x + kept.to(x.dtype) / (1 - self.rate) * (y - x)
