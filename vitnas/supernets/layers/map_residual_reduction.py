"""Residual spatial reduction (ViT-ResNAS) on maps: downsampling that keeps a residual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer, init_weight
from vitnas.supernets.layers.map_stem import channel_norm


class MapResidualReduction(Layer):
    """ViT-ResNAS: a strided convolution with positions of its own, on a residual of averaged patches.

    The residual's missing channels are zero, so the width must not shrink.
    """

    averaged: ClassVar[Mapping[str, tuple[int, int]]] = {"position": (1, 2)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        (narrow, *_), (wide, height, breadth) = spec.in_shape, spec.out_shape
        self.norm = nn.LayerNorm(narrow, eps=1e-6)
        self.conv = nn.Conv2d(narrow, wide, 3, stride=2, padding=1)
        self.position = nn.Parameter(nn.init.trunc_normal_(torch.empty(wide, height, breadth), std=0.02))
        init_weight(self.conv.weight, 9 * narrow)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x_BDHW: Tensor) -> Tensor:
        extra = self.spec.out_shape[0] - self.spec.in_shape[0]
        assert extra >= 0, self.spec.key
        residual = F.pad(F.avg_pool2d(x_BDHW, 2), (0, 0, 0, 0, 0, extra))
        y: Tensor = residual + self.position + self.conv(channel_norm(self.norm, x_BDHW))
        return y
