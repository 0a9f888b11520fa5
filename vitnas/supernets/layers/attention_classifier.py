"""Attention classifier: a learned query reads the tokens, an FFN follows, and a linear layer answers (SigLIP)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth, Hidden, TokenNorm
from vitnas.supernets.layers.feed_forward import FeedForward
from vitnas.supernets.layers.gelu import Gelu
from vitnas.supernets.layers.layer import LAYER_NORM_EPS, Layer, init_weight

# Shape suffixes: B batch, T tokens, H heads, E head width, D width.


class AttentionClassifier(Layer):
    """(T, width) -> (classes): ffn(proj(softmax(q k^T / sqrt(E)) v)), with one learned query for all images.

    All tokens are normalised and read.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        hidden: Hidden
        act: Gelu = "gelu"
        norm: TokenNorm = "layer-1e-6"

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        attrs, (_, width) = self.attrs, spec.in_shape
        split = (attrs.heads, attrs.head_width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS[attrs.norm])
        self.latent = nn.Parameter(init_weight(torch.empty(width), width))
        self.query_weight = nn.Parameter(init_weight(torch.empty(*split, width), width))
        self.query_bias = nn.Parameter(torch.zeros(split))
        self.key_value_weight = nn.Parameter(init_weight(torch.empty(2, *split, width), width))
        self.key_value_bias = nn.Parameter(torch.zeros(2, *split))
        self.proj_weight = nn.Parameter(init_weight(torch.empty(width, *split), attrs.heads * attrs.head_width))
        self.proj_bias = nn.Parameter(torch.zeros(width))
        ffn = LayerSpec.of("feed_forward", (1, width), (1, width), hidden=attrs.hidden, act=attrs.act, norm=attrs.norm)
        self.ffn = FeedForward(ffn)
        self.linear = nn.Linear(width, spec.out_shape[0])
        init_weight(self.linear.weight, width)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        tokens, heads, head_width = x.shape[1], self.attrs.heads, self.attrs.head_width
        q = F.linear(self.latent, self.query_weight.flatten(0, 1), self.query_bias.flatten())
        q_BH1E = q.reshape(1, heads, 1, head_width).expand(x.shape[0], -1, -1, -1)
        key_value = F.linear(self.norm(x), self.key_value_weight.flatten(0, 2), self.key_value_bias.flatten())
        k_BHTE, v_BHTE = key_value.reshape(-1, tokens, 2, heads, head_width).permute(2, 0, 3, 1, 4).unbind(0)
        y_BHE = F.scaled_dot_product_attention(q_BH1E, k_BHTE, v_BHTE).squeeze(2)
        read_BD = F.linear(y_BHE.flatten(1), self.proj_weight.flatten(1), self.proj_bias)
        logits: Tensor = self.linear(self.ffn(read_BD))
        return logits
