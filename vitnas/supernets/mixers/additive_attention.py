"""Convolutional additive attention (CAS-ViT): gated queries and keys are added, not multiplied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, OddKernel
from vitnas.supernets.mixers.mixer import ConvMixer, depthwise, drawn


class AdditiveAttention(ConvMixer):
    """depthwise(depthwise(gate(q) + gate(k)) * v), linear in the number of places."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernel: OddKernel

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"weigh.weight": (2, 3), "proj.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.in_shape[0]
        self.qkv_weight = drawn(3, width, width, fan_in=width)
        self.query_gate = Gate(width)
        self.key_gate = Gate(width)
        self.weigh = depthwise(width, self.attrs.kernel)
        self.proj = depthwise(width, self.attrs.kernel)

    def convolve(self, x_BDHW: Tensor) -> Tensor:
        width = x_BDHW.shape[1]
        qkv = F.conv2d(x_BDHW, self.qkv_weight.flatten(0, 1)[:, :, None, None])
        q, k, v = torch.split(qkv, width, dim=1)
        y: Tensor = self.proj(self.weigh(self.query_gate(q) + self.key_gate(k)) * v)
        return y


class Gate(nn.Module):
    """A gate for every place, then one for every channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = depthwise(width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.place = nn.Conv2d(width, 1, 1, bias=False)
        self.channel = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.place(self.norm(self.near(x)).relu()).sigmoid()
        gated: Tensor = x * self.channel(x.mean(dim=(2, 3), keepdim=True)).sigmoid()
        return gated
