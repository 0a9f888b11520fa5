"""Downsampling by a strided convolution and a layer norm: ConvNeXt's, PVT's and CSWin's way to the next stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.layer import Layer, init_weight
from vitnas.supernets.layers.map_stem import channel_norm


class LayerNormDownsampling(Layer):
    """(D, H, W) -> (D', H/2, W/2): a norm, a convolution of stride 2, a norm.

    Kernel 2 with the norm first is ConvNeXt's, kernel 3 with the norm last CSWin's; PVT v2 has both, as
    it ends its stages with a norm.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernel: Annotated[Count, about("side of the kernel")]
        norm: Annotated[
            Literal["first", "last", "both"],
            about("where norms stand: before the convolution, after it, or both"),
        ]

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"conv.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        narrow, wide, kernel = spec.in_shape[0], spec.out_shape[0], self.attrs.kernel
        self.norm_before = nn.LayerNorm(narrow, eps=1e-6) if self.attrs.norm != "last" else None
        self.conv = nn.Conv2d(narrow, wide, kernel, stride=2, padding=(kernel - 1) // 2)
        self.norm_after = nn.LayerNorm(wide, eps=1e-5) if self.attrs.norm != "first" else None
        init_weight(self.conv.weight, narrow * kernel**2)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x_BDHW: Tensor) -> Tensor:
        if self.norm_before is not None:
            x_BDHW = channel_norm(self.norm_before, x_BDHW)
        y: Tensor = self.conv(x_BDHW)
        return y if self.norm_after is None else channel_norm(self.norm_after, y)
