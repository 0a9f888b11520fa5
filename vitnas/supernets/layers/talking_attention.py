"""Talking attention: EfficientFormerV2's attention on maps, whose heads exchange their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attributes import Attributes, Heads, KeyWidth, Stride, ValueWidth
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer
from vitnas.supernets.layers.offset_attention import offset_indices

# Shape suffixes: B batch, T tokens, H heads, E key width, V value width.


class TalkingAttention(Layer):
    """x + s proj(gelu(mix(softmax(mix(q k^T / sqrt(E) + bias))) v + local v)), from (C, H, W) to (C, H, W).

    Queries, keys, values and projection are normalised 1x1 convolutions; a depthwise 3x3 of the values adds what is
    near. With ``stride`` 2, a depthwise 3x3 first halves the map, and the result is interpolated back.

    Rows of queries, keys and values are ordered by head, so fewer heads are a slice; the widths of one head must be
    the same in all specs that share weights.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        key_width: KeyWidth
        value_width: ValueWidth
        stride: Annotated[Stride, about("2 attends on a map of half the side")]

    attrs: Attrs

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, height, _ = spec.in_shape
        heads, stride = self.attrs.heads, self.attrs.stride
        side = -(-height // stride)
        keys, values = heads * self.attrs.key_width, heads * self.attrs.value_width
        self.shrink = ConvNorm(width, width, 3, stride, groups=width) if stride > 1 else None
        self.query = ConvNorm(width, keys)
        self.key = ConvNorm(width, keys)
        self.value = ConvNorm(width, values)
        self.local = ConvNorm(values, values, 3, groups=values)
        self.talk_before = nn.Conv2d(heads, heads, 1)
        self.talk_after = nn.Conv2d(heads, heads, 1)
        self.proj = ConvNorm(values, width)
        self.offset_bias = nn.Parameter(torch.zeros(heads, side, side))
        self.scale = nn.Parameter(torch.full((width, 1, 1), 1e-5))
        self.constant("offsets", offset_indices(side))

    def forward(self, x: Tensor) -> Tensor:
        spec = self.spec
        _, height, breadth = spec.in_shape
        heads, key_width, value_width = self.attrs.heads, self.attrs.key_width, self.attrs.value_width
        small = x if self.shrink is None else self.shrink(x)
        rows, columns = small.shape[-2:]
        tokens = rows * columns
        q_BHET = self.query(small).reshape(-1, heads, key_width, tokens)
        k_BHET = self.key(small).reshape(-1, heads, key_width, tokens)
        value = self.value(small)
        v_BHVT = value.reshape(-1, heads, value_width, tokens)
        bias_HTT = self.offset_bias.flatten(1)[:, self.offsets]  # type: ignore[index]
        scores_BHTT = (q_BHET * key_width**-0.5).transpose(-2, -1) @ k_BHET + bias_HTT
        share_BHTT = self.talk_after(self.talk_before(scores_BHTT).softmax(dim=-1))
        y = (v_BHVT @ share_BHTT.transpose(-2, -1)).reshape(-1, heads * value_width, rows, columns) + self.local(value)
        if self.shrink is not None:
            y = F.interpolate(y, size=(height, breadth), mode="bilinear")
        z: Tensor = self.proj(F.gelu(y))
        return x + self.scale * z
