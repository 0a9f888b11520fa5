"""Tokens-to-token stem (T2T-ViT): overlapping splits with a small transformer after each but the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes, Numbers
from vitnas.supernets.layers.layer import Layer, init_weight


class TokensToToken(Layer):
    """(C, H, W) -> (D, H/s, W/s), split by split.

    A linear map of unfolded patches is a convolution, so no split is ever unfolded: query, key and
    value of a small transformer are convolutions of the map before it. T2T-ViT normalises the
    unfolded patches first, which no convolution can do; that norm is left out. ``linear`` takes
    linear attention of ReLU features, deterministic where T2T-ViT draws random ones.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernels: Annotated[Numbers, about("the kernel of each split, with dots between")]
        strides: Annotated[Numbers, about("the stride of each split, with dots between")]
        hidden: Annotated[Count, about("channels between the splits")]
        linear: Annotated[bool, about("whether attention is linear, over ReLU features")]

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        kernels, strides = ([int(n) for n in spec[name].split(".")] for name in ("kernels", "strides"))
        hidden = self.attrs.hidden
        widths = [spec.in_shape[0], *[hidden] * (len(kernels) - 1)]
        splits = list(zip(kernels, strides, strict=True))
        self.steps = nn.ModuleList(
            TokenTransformer(width, hidden, *split, self.attrs.linear)
            for width, split in zip(widths[:-1], splits[:-1], strict=True)
        )
        self.project = _split(widths[-1], spec.out_shape[0], *splits[-1])

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
        y: Tensor = self.project(x)
        return y


class TokenTransformer(nn.Module):
    """One attention with a single head, whose value is the residual, and one FFN as wide as the tokens."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, linear: bool) -> None:
        super().__init__()
        self.linear = linear
        self.qkv = nn.ModuleList(_split(channels, width, kernel, stride) for _ in range(3))
        self.proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, width)
        self.reduce = nn.Linear(width, width)
        for linear_map in (self.proj, self.expand, self.reduce):
            init_weight(linear_map.weight, linear_map.in_features)
            nn.init.zeros_(linear_map.bias)

    def forward(self, x: Tensor) -> Tensor:
        maps = [part(x) for part in self.qkv]
        q, k, v = (part.flatten(2).transpose(1, 2) for part in maps)
        y: Tensor = v + self.proj(
            _linear_attention(q, k, v) if self.linear else F.scaled_dot_product_attention(q, k, v)
        )
        y = y + self.reduce(F.gelu(self.expand(self.norm(y))))
        return y.transpose(1, 2).reshape(-1, *maps[0].shape[1:])


def _split(narrow: int, wide: int, kernel: int, stride: int) -> nn.Conv2d:
    conv = nn.Conv2d(narrow, wide, kernel, stride, (kernel - stride + 1) // 2)
    init_weight(conv.weight, narrow * kernel**2)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Each (B, T, E): relu(q) (relu(k)^T v) over the sum of its weights; keys scaled by 1/T against overflow."""
    q, k = q.relu(), k.relu() / k.shape[1]
    weight = q @ k.sum(dim=1, keepdim=True).transpose(1, 2)
    return torch.div(q @ (k.transpose(1, 2) @ v), weight + 1e-6)
