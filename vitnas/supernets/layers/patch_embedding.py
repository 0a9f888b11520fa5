"""Patch embedding: image patches and a class token become tokens that know where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, Natural, about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.layer import Layer, init_weight


class PatchEmbedding(Layer):
    """(C, H, W) -> (1 + R + H/p * W/p, width); the class token comes first, then R learned registers.

    Registers have no position: they are for the blocks to write to, and no classifier reads them.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        patch: Annotated[Count, about("side of a patch")]
        registers: Annotated[Natural, about("learned tokens after the class token that are no patches")] = 0

    attrs: Attrs

    averaged: ClassVar[Mapping[str, tuple[int, int]]] = {"position": (0, 1)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        channels, height, breadth = spec.in_shape
        width = spec.out_shape[-1]
        patch = self.attrs.patch
        self.make_projection(channels, width, patch)
        self.class_token = nn.Parameter(torch.empty(width))
        self.class_position = nn.Parameter(torch.empty(width))
        self.position = nn.Parameter(torch.empty(height // patch, breadth // patch, width))
        for weight in (self.class_token, self.class_position, self.position):
            nn.init.trunc_normal_(weight, std=0.1)
        registers = self.attrs.registers
        self.registers = (
            nn.Parameter(nn.init.trunc_normal_(torch.empty(registers, width), std=0.1)) if registers else None
        )

    def make_projection(self, channels: int, width: int, patch: int) -> None:
        self.projection = nn.Conv2d(channels, width, patch, stride=patch)
        init_weight(self.projection.weight, channels * patch * patch)
        nn.init.zeros_(self.projection.bias)  # type: ignore[arg-type]

    def patches(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, tokens, width), positions included."""
        tokens: Tensor = self.projection(x).flatten(2).transpose(1, 2)
        return tokens + self.position.flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        leading = (self.class_token + self.class_position)[None]
        if self.registers is not None:
            leading = torch.cat([leading, self.registers])
        return torch.cat([leading.expand(x.shape[0], -1, -1), self.patches(x)], dim=1)
