"""Convolutional stem on maps: strided convolutions and a final norm turn the image into the first map."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Natural, about
from vitnas.supernets.layers.attributes import Attributes, Numbers
from vitnas.supernets.layers.layer import LAYER_NORM_EPS, Layer


class MapStem(Layer):
    """(C, H, W) -> (D, H/s, W/s).

    The norm after every convolution but the last is "batch" with a GELU, "layer" with a GELU, or "none" for neither;
    "layer-1e-6" gives all layer norms, also the last, the smaller epsilon of ConvNeXt. Kernels "4" with strides "4" are
    the patch embedding of Swin and ConvNeXt, "7" with "4" that of PVT v2.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernels: Annotated[Numbers, about("the kernel of each convolution, with dots between")]
        strides: Annotated[Numbers, about("the stride of each convolution, with dots between")]
        hidden: Annotated[Natural, about("channels between the convolutions; 0 where there is only one")]
        norm: Annotated[
            Literal["batch", "layer", "layer-1e-6", "none"],
            about("what follows every convolution but the last"),
        ]

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        kernels, strides = ([int(n) for n in spec[name].split(".")] for name in ("kernels", "strides"))
        widths = [spec.in_shape[0], *[self.attrs.hidden] * (len(kernels) - 1), spec.out_shape[0]]
        self.convs = nn.ModuleList()
        self.norms = nn.ModuleList()
        for kernel, stride, (narrow, wide) in zip(kernels, strides, pairwise(widths), strict=True):
            # A convolution whose patches do not overlap needs no padding.
            conv = nn.Conv2d(narrow, wide, kernel, stride, (kernel - 1) // 2 if kernel > stride else 0)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            self.convs.append(conv)
        eps = LAYER_NORM_EPS.get(self.attrs.norm, LAYER_NORM_EPS["layer"])
        for width in widths[1:-1]:
            if self.attrs.norm != "none":
                self.norms.append(nn.BatchNorm2d(width) if self.attrs.norm == "batch" else nn.LayerNorm(width, eps=eps))
        self.norm = nn.LayerNorm(widths[-1], eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        for i, conv in enumerate(self.convs):
            x = conv(x)
            if i < len(self.norms):
                norm = self.norms[i]
                x = norm(x) if isinstance(norm, nn.BatchNorm2d) else channel_norm(norm, x)
                x = nn.functional.gelu(x)
        return channel_norm(self.norm, x)


def channel_norm(norm: nn.Module, x_BDHW: Tensor) -> Tensor:
    """A LayerNorm over the channels of a map."""
    y: Tensor = norm(x_BDHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return y
