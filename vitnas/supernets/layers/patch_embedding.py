"""Patch embedding: image patches and a class token become tokens that know where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, Natural, about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.layer import LAYER_NORM_EPS, Layer, init_weight


class PatchEmbedding(Layer):
    """(C, H, W) -> (1 + R + H/p * W/p, width); the class token, if there is one, comes first, then R learned registers.

    Registers have no position: they are for the blocks to write to, and no classifier reads them. CLIP normalises all
    tokens before the first block.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        patch: Annotated[Count, about("side of a patch")]
        registers: Annotated[Natural, about("learned tokens after the class token that are no patches")] = 0
        class_token: Annotated[bool, about("whether a learned class token comes first")] = True
        positions: Annotated[bool, about("whether every place has a learned position")] = True
        norm: Annotated[
            Literal["none", "layer", "layer-1e-6"],
            about("the norm of all tokens before the first block, if there is one"),
        ] = "none"

    attrs: Attrs

    averaged: ClassVar[Mapping[str, tuple[int, int]]] = {"position": (0, 1)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        channels, height, breadth = spec.in_shape
        width = spec.out_shape[-1]
        patch = self.shared_patch
        self.make_projection(channels, width, patch)
        classes = self.attrs.class_token
        placed = self.attrs.positions
        self.class_token = nn.Parameter(torch.empty(width)) if classes else None
        self.class_position = nn.Parameter(torch.empty(width)) if classes and placed else None
        self.position = nn.Parameter(torch.empty(height // patch, breadth // patch, width)) if placed else None
        for weight in (self.class_token, self.class_position, self.position):
            if weight is not None:
                nn.init.trunc_normal_(weight, std=0.1)
        registers = self.attrs.registers
        self.registers = (
            nn.Parameter(nn.init.trunc_normal_(torch.empty(registers, width), std=0.1)) if registers else None
        )
        norm = self.attrs.norm
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS[norm]) if norm != "none" else None

    @property
    def shared_patch(self) -> int:
        """The side of the patch that kernel and positions are of."""
        return self.attrs.patch

    def make_projection(self, channels: int, width: int, patch: int) -> None:
        self.projection = nn.Conv2d(channels, width, patch, stride=patch)
        init_weight(self.projection.weight, channels * patch * patch)
        nn.init.zeros_(self.projection.bias)  # type: ignore[arg-type]

    def patches(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, tokens, width), positions included."""
        tokens: Tensor = self.projection(x).flatten(2).transpose(1, 2)
        return tokens if self.position is None else tokens + self.position.flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        tokens, leading = self.patches(x), []
        if self.class_token is not None:
            placed = self.class_token if self.class_position is None else self.class_token + self.class_position
            leading.append(placed[None])
        if self.registers is not None:
            leading.append(self.registers)
        if leading:
            tokens = torch.cat([torch.cat(leading).expand(x.shape[0], -1, -1), tokens], dim=1)
        return tokens if self.norm is None else self.norm(tokens)
