"""Slim attention: softmax self-attention on tokens whose queries, keys and values may be narrower than its heads were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes, Heads, KeyWidth, TokenNorm, ValueWidth
from vitnas.supernets.layers.layer import LAYER_NORM_EPS, Layer, init_weight

# Shape suffixes: B batch, T tokens, H heads, E key width, V value width, D width.


class SlimAttention(Layer):
    """x + proj(softmax(q k^T / sqrt(F)) v), from (T, D) to (T, D), with F the full ``head_width`` of the given network.

    The scale does not follow the key width, so that a network with fewer columns of queries and keys is the given one
    with those columns at zero.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: Annotated[Count, about("channels of one head before anything was removed; its root divides scores")]
        key_width: KeyWidth
        value_width: ValueWidth
        norm: TokenNorm = "layer-1e-6"

    attrs: Attrs

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, heads = spec.in_shape[-1], self.attrs.heads
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS[self.attrs.norm])
        self.query_key = nn.Parameter(torch.empty(2, heads, self.attrs.key_width, width))
        self.query_key_bias = nn.Parameter(torch.zeros(2, heads, self.attrs.key_width))
        self.value = nn.Parameter(torch.empty(heads, self.attrs.value_width, width))
        self.value_bias = nn.Parameter(torch.zeros(heads, self.attrs.value_width))
        self.proj_weight = nn.Parameter(torch.empty(width, heads, self.attrs.value_width))
        self.proj_bias = nn.Parameter(torch.zeros(width))
        for weight in (self.query_key, self.value):
            init_weight(weight, width)
        init_weight(self.proj_weight, heads * self.attrs.value_width)

    def forward(self, x: Tensor) -> Tensor:
        tokens, heads, value_width = x.shape[1], self.attrs.heads, self.attrs.value_width
        normed = self.norm(x)
        query_key = F.linear(normed, self.query_key.flatten(0, 2), self.query_key_bias.flatten())
        value = F.linear(normed, self.value.flatten(0, 1), self.value_bias.flatten())
        q_BHTE, k_BHTE = query_key.reshape(-1, tokens, 2, heads, self.attrs.key_width).permute(2, 0, 3, 1, 4).unbind(0)
        v_BHTV = value.reshape(-1, tokens, heads, value_width).transpose(1, 2)
        q_BHTE, k_BHTE = self.placed(q_BHTE), self.placed(k_BHTE)
        y_BHTV = F.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTV, scale=self.attrs.head_width**-0.5)
        y_BTD = y_BHTV.transpose(1, 2).reshape(-1, tokens, heads * value_width)
        return x + F.linear(y_BTD, self.proj_weight.flatten(1), self.proj_bias)

    def placed(self, x_BHTE: Tensor) -> Tensor:
        """Queries or keys that know where their tokens are; here they need not."""
        return x_BHTE
