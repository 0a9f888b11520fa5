"""Downsampling by a strided convolution and a layer norm: ConvNeXt's, PVT's and CSWin's way to the next stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer
from vitnas.supernets.layers.map_stem import channel_norm


class LayerNormDownsampling(Layer):
    """A strided convolution; attrs: kernel, and whether the norm comes first.

    Kernel 2 with the norm first is ConvNeXt's, kernel 3 with the norm after it PVT v2's and CSWin's.
    """

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"conv.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        narrow, wide, kernel = spec.in_shape[0], spec.out_shape[0], spec["kernel"]
        self.norm = nn.LayerNorm(narrow if spec["norm_first"] else wide, eps=1e-6)
        self.conv = nn.Conv2d(narrow, wide, kernel, stride=2, padding=(kernel - 1) // 2)
        nn.init.trunc_normal_(self.conv.weight, std=0.02)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x_BDHW: Tensor) -> Tensor:
        if self.spec["norm_first"]:
            y: Tensor = self.conv(channel_norm(self.norm, x_BDHW))
            return y
        return channel_norm(self.norm, self.conv(x_BDHW))
