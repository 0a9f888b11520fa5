"""Cross-shaped window attention (CSWin): half of the heads in vertical stripes, half in horizontal ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes, HeadWidth
from vitnas.supernets.mixers.mixer import Mixer, drawn, zeros
from vitnas.supernets.mixers.windows import from_windows, to_windows


class CrossWindowAttention(Mixer):
    """Softmax attention in vertical stripes for half of the heads, in horizontal ones for the others.

    Values get a depthwise 3x3 convolution as position (LePE), inside each stripe with zeros around it,
    as in the authors' code: over the whole map it gives other numbers. All weights keep an axis for
    the half, so fewer heads leave out the last of each. A stripe as broad as the map is full attention.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        half_heads: Annotated[Count, about("heads of the vertical stripes, and as many of the horizontal ones")]
        head_width: HeadWidth
        stripe: Annotated[Count, about("breadth of a stripe, which divides the map")]

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"position_weight": (3, 4)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, heads, head_width = spec.in_shape[0], self.attrs.half_heads, self.attrs.head_width
        self.qkv_weight = drawn(3, 2, heads, head_width, width, fan_in=width)
        self.qkv_bias = zeros(3, 2, heads, head_width)
        self.position_weight = drawn(2, heads, head_width, 3, 3, fan_in=9)
        self.position_bias = zeros(2, heads, head_width)
        self.proj_weight = drawn(width, 2, heads, head_width, fan_in=2 * heads * head_width)
        self.proj_bias = zeros(width)

    def mix(self, x_BHWD: Tensor) -> Tensor:
        inner = self.attrs.half_heads * self.attrs.head_width
        qkv = F.linear(x_BHWD, self.qkv_weight.flatten(0, 3), self.qkv_bias.flatten())
        q0, q1, k0, k1, v0, v1 = torch.split(qkv, inner, dim=-1)
        _, height, breadth, _ = x_BHWD.shape
        stripe = self.attrs.stripe
        vertical = self._attend(0, q0, k0, v0, height, stripe)
        horizontal = self._attend(1, q1, k1, v1, stripe, breadth)
        y_BHWD = torch.cat([vertical, horizontal], dim=-1)
        return F.linear(y_BHWD, self.proj_weight.flatten(1), self.proj_bias)

    def _attend(self, half: int, q: Tensor, k: Tensor, v: Tensor, height: int, breadth: int) -> Tensor:
        """Attention inside stripes of one half's (B, H, W, N * E)."""
        _, rows, columns, inner = v.shape
        heads, head_width = self.attrs.half_heads, self.attrs.head_width
        parts = [to_windows(part, height, breadth) for part in (q, k, v)]
        q_BNTE, k_BNTE, v_BNTE = (p.reshape(-1, p.shape[1], heads, head_width).transpose(1, 2) for p in parts)
        y_BTD = F.scaled_dot_product_attention(q_BNTE, k_BNTE, v_BNTE).transpose(1, 2).flatten(2)
        stripes_BDHW = parts[2].reshape(-1, height, breadth, inner).permute(0, 3, 1, 2)
        kernel, bias = self.position_weight[half].reshape(inner, 1, 3, 3), self.position_bias[half].flatten()
        position_BDHW = F.conv2d(stripes_BDHW, kernel, bias, padding=1, groups=inner)
        y_BTD = y_BTD + position_BDHW.flatten(2).transpose(1, 2)
        return from_windows(y_BTD, height, breadth, (rows, columns))
