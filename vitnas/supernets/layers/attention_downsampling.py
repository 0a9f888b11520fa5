"""Attention downsampling: EfficientFormerV2's last transition, attention beside a strided convolution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Heads, KeyWidth, ValueWidth
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer
from vitnas.supernets.layers.offset_attention import offset_indices

# Shape suffixes: B batch, Q queries (one in four places), T tokens, H heads, E key width, V value width.


class AttentionDownsampling(Layer):
    """(C, H, W) -> (width, H/2, W/2): conv3x3 of stride 2 + proj(gelu(attention + local values)).

    Queries come from every second place plus a depthwise 3x3 of stride 2, keys and values from the whole map. Rows are
    ordered by head, so fewer heads are a slice; the widths of one head are the same in all specs that share weights.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        key_width: KeyWidth
        value_width: ValueWidth

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, side, _ = spec.in_shape
        heads = self.attrs.heads
        keys, values = heads * self.attrs.key_width, heads * self.attrs.value_width
        self.conv = ConvNorm(width, spec.out_shape[0], 3, stride=2)
        self.near = nn.Conv2d(width, width, 3, stride=2, padding=1, groups=width)
        self.query = ConvNorm(width, keys)
        self.key = ConvNorm(width, keys)
        self.value = ConvNorm(width, values)
        self.local = ConvNorm(values, values, 3, stride=2, groups=values)
        self.proj = ConvNorm(values, spec.out_shape[0])
        self.offset_bias = nn.Parameter(torch.zeros(heads, side, side))
        self.constant("offsets", offset_indices(side, step=2))
        nn.init.kaiming_normal_(self.near.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        spec = self.spec
        heads, key_width, value_width = self.attrs.heads, self.attrs.key_width, self.attrs.value_width
        tokens = spec.in_shape[1] * spec.in_shape[2]
        _, rows, columns = spec.out_shape
        q_BHEQ = self.query(self.near(x) + x[:, :, ::2, ::2]).reshape(-1, heads, key_width, rows * columns)
        k_BHET = self.key(x).reshape(-1, heads, key_width, tokens)
        value = self.value(x)
        v_BHVT = value.reshape(-1, heads, value_width, tokens)
        bias_HQT = self.offset_bias.flatten(1)[:, self.offsets]  # type: ignore[index]
        scores_BHQT = (q_BHEQ * key_width**-0.5).transpose(-2, -1) @ k_BHET + bias_HQT
        y_BHVQ = v_BHVT @ scores_BHQT.softmax(dim=-1).transpose(-2, -1)
        y = y_BHVQ.reshape(-1, heads * value_width, rows, columns) + self.local(value)
        z: Tensor = self.conv(x) + self.proj(F.gelu(y))
        return z
