"""Padded stem (As-ViT): a strided convolution whose kernel may reach over the border of its patch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.layer import Layer, init_weight
from vitnas.supernets.layers.map_stem import channel_norm


def overhang(kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after the map, so that its side is divided by the stride; the odd one comes first.

    Where the largest kernel is even, the middle of its weights then looks at the same places as a smaller one.
    """
    extra = kernel - stride
    return (extra + 1) // 2, extra // 2


class PaddedStem(Layer):
    """(C, H, W) -> (D, H/s, W/s), a convolution of `kernel` at `stride` and a norm over the channels."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernel: Annotated[Count, about("side of the kernel")]
        stride: Annotated[Count, about("how many times smaller the map is than the image")]

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"conv.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        channels, width, kernel = spec.in_shape[0], spec.out_shape[0], self.attrs.kernel
        self.conv = nn.Conv2d(channels, width, kernel, self.attrs.stride)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        init_weight(self.conv.weight, channels * kernel**2)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        zeros = overhang(self.attrs.kernel, self.attrs.stride)
        return channel_norm(self.norm, self.conv(F.pad(x_BCHW, (*zeros, *zeros))))
