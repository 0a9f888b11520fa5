"""Pool mixing: the token mixer without weights of EfficientFormer's first blocks."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer


class PoolMixing(Layer):
    """x + s (mean of the 3x3 around x - x), from (C, H, W) to (C, H, W); s scales each channel.

    At the border the mean is over the neighbours that exist.
    """

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.scale = nn.Parameter(torch.full((spec.in_shape[0], 1, 1), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * (F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x)
