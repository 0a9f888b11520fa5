"""Convolutional patch embedding (ViT-Res): three convolutions look at the image before it is cut into patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer, init_weight


class ConvPatchEmbedding(Layer):
    """(C, H, W) -> (1 + H/p * W/p, width); the class token comes first.

    The first convolution halves the image, so that the projection's kernel is p/2; its output skips the other
    two.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        patch: Annotated[int, about("side of a patch", ge=2, multiple_of=2)]
        hidden: Annotated[Count, about("channels of the three convolutions")]

    attrs: Attrs

    averaged: ClassVar[Mapping[str, tuple[int, int]]] = {"position": (0, 1)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        channels, height, breadth = spec.in_shape
        width, patch, hidden = spec.out_shape[-1], self.attrs.patch, self.attrs.hidden
        self.halve = ConvNorm(channels, hidden, 3, stride=2, bias=False)
        self.look = ConvNorm(hidden, hidden, 3, bias=False)
        self.again = ConvNorm(hidden, hidden, 3, bias=False)
        self.projection = nn.Conv2d(hidden, width, patch // 2, stride=patch // 2)
        self.class_token = nn.Parameter(torch.empty(width))
        self.class_position = nn.Parameter(torch.empty(width))
        self.position = nn.Parameter(torch.empty(height // patch, breadth // patch, width))
        init_weight(self.projection.weight, hidden * (patch // 2) ** 2)
        nn.init.zeros_(self.projection.bias)  # type: ignore[arg-type]
        for weight in (self.class_token, self.class_position, self.position):
            nn.init.trunc_normal_(weight, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.halve(x))
        x = x + F.relu(self.again(F.relu(self.look(x))))
        patches = self.projection(x).flatten(2).transpose(1, 2) + self.position.flatten(0, 1)
        first = (self.class_token + self.class_position).expand(x.shape[0], 1, -1)
        return torch.cat([first, patches], dim=1)
