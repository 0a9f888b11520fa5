"""Patch embedding: image patches and a class token become tokens that know where they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer, init_weight


class PatchEmbedding(Layer):
    """(C, H, W) -> (1 + H/p * W/p, width); the class token comes first."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        channels, height, breadth = spec.in_shape
        width = spec.out_shape[-1]
        patch = spec["patch"]
        self.projection = nn.Conv2d(channels, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.empty(width))
        self.class_position = nn.Parameter(torch.empty(width))
        self.position = nn.Parameter(torch.empty(height // patch, breadth // patch, width))
        init_weight(self.projection.weight, channels * patch * patch)
        for weight in (self.class_token, self.class_position, self.position):
            nn.init.trunc_normal_(weight, std=0.1)
        nn.init.zeros_(self.projection.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        patches = self.projection(x).flatten(2).transpose(1, 2) + self.position.flatten(0, 1)
        first = (self.class_token + self.class_position).expand(x.shape[0], 1, -1)
        return torch.cat([first, patches], dim=1)
