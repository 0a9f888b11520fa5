"""Linear attention with local concentration (L2ViT): a key-value state for all places, then convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth, OddKernel
from vitnas.supernets.mixers.heads import FromHeads, ToHeads
from vitnas.supernets.mixers.mixer import Mixer, depthwise

LEAST_WEIGHT = 100.0
"""The smallest sum of weights that divides; what the authors' code runs with."""


class LinearAttention(Mixer):
    """Attention without softmax, then convolutions that concentrate it.

    y = x + proj(t q (k^T v) / max(q . sum k, 100)) with q and k after ReLU and t learned for each head,
    then y + concentration(norm(y)): two depthwise convolutions with GELU and a batch norm between.
    Keys and the least weight are divided by the number of places, which changes no result and keeps
    sums small enough for half precision.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        kernel: OddKernel

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"spread.weight": (2, 3), "gather.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, heads, head_width = spec.in_shape[0], self.attrs.heads, self.attrs.head_width
        self.qkv = ToHeads(3, width, heads, head_width)
        self.temperature = nn.Parameter(torch.full((heads, 1, 1), head_width**-0.5))
        self.proj = FromHeads(width, heads, head_width)
        self.local_norm = nn.LayerNorm(width, eps=1e-6)
        self.spread = depthwise(width, self.attrs.kernel)
        self.middle_norm = nn.BatchNorm2d(width)
        self.gather = depthwise(width, self.attrs.kernel)

    def forward(self, x_BDHW: Tensor) -> Tensor:
        y_BDHW = super().forward(x_BDHW)
        z_BDHW = self.local_norm(y_BDHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        z_BDHW = self.gather(self.middle_norm(F.gelu(self.spread(z_BDHW))))
        both: Tensor = y_BDHW + z_BDHW
        return both

    def mix(self, x_BHWD: Tensor) -> Tensor:
        q_BNTE, k_BNTE, v_BNTE = self.qkv(x_BHWD.flatten(1, 2))
        places = k_BNTE.shape[2]
        q_BNTE, k_BNTE = q_BNTE.relu(), k_BNTE.relu() / places
        state_BNEE = self.temperature * (k_BNTE.transpose(-2, -1) @ v_BNTE)
        weight_BNT1 = q_BNTE @ k_BNTE.sum(dim=2, keepdim=True).transpose(-2, -1)
        y_BNTE = q_BNTE @ state_BNEE / weight_BNT1.clamp(min=LEAST_WEIGHT / places)
        y_BTD: Tensor = self.proj(y_BNTE)
        return y_BTD.reshape(x_BHWD.shape)
