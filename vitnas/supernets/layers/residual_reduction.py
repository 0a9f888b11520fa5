"""Residual spatial reduction (ViT-Res) on tokens: 2x2 patches become one, the class token passes beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer, init_weight


class ResidualReduction(Layer):
    """(1 + S * S, D) -> (1 + S/2 * S/2, D'), D' no smaller than D; the class token comes first.

    Patches take a strided convolution and a position on a residual of their averages, the class token a linear map on
    itself. Channels that a residual lacks are zero. `MapResidualReduction` is the same for maps.
    """

    averaged: ClassVar[Mapping[str, tuple[int, int]]] = {"position": (0, 1)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        narrow, (tokens, wide) = spec.in_shape[1], spec.out_shape
        assert wide >= narrow, spec.key
        side = math.isqrt(tokens - 1)
        self.norm = nn.LayerNorm(narrow, eps=1e-6)
        self.conv = nn.Conv2d(narrow, wide, 3, stride=2, padding=1)
        self.linear = nn.Linear(narrow, wide)
        self.position = nn.Parameter(nn.init.trunc_normal_(torch.empty(side, side, wide), std=0.02))
        init_weight(self.conv.weight, 9 * narrow)
        init_weight(self.linear.weight, narrow)
        for layer in (self.conv, self.linear):
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x_BTD: Tensor) -> Tensor:
        y_BTD = self.norm(x_BTD)
        extra = self.spec.out_shape[1] - self.spec.in_shape[1]
        first = F.pad(x_BTD[:, :1], (0, extra)) + self.linear(y_BTD[:, :1])
        averages = F.pad(F.avg_pool2d(_map(x_BTD), 2).flatten(2).transpose(1, 2), (0, extra))
        patches = averages + self.conv(_map(y_BTD)).flatten(2).transpose(1, 2) + self.position.flatten(0, 1)
        return torch.cat([first, patches], dim=1)


def _map(x_BTD: Tensor) -> Tensor:
    """The patches among the tokens as a square map, channels first."""
    side = math.isqrt(x_BTD.shape[1] - 1)
    return x_BTD[:, 1:].transpose(1, 2).reshape(-1, x_BTD.shape[2], side, side)
