"""Residual map: what stands in for a residual layer that was left out, an affine map of each token or place."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer


class ResidualMap(Layer):
    """x + W x + b, on tokens (T, C) or on maps (C, H, W); W and b are zero at first."""

    residual = True
    per_token = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.on_map = len(spec.in_shape) == 3
        width = spec.in_shape[0 if self.on_map else -1]
        self.weight = nn.Parameter(torch.zeros(width, width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        if self.on_map:
            return x + F.conv2d(x, self.weight[:, :, None, None], self.bias)
        return x + F.linear(x, self.weight, self.bias)
