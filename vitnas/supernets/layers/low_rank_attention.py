"""Low-rank attention: softmax self-attention of tokens whose two weights have a low rank (Greenformers)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth, Rank, TokenNorm
from vitnas.supernets.layers.layer import LAYER_NORM_EPS, Layer
from vitnas.supernets.layers.low_rank import LowRankProduct, with_products_deployed

# Shape suffixes: B batch, T tokens, H heads, E head width, D width.


class LowRankAttention(Layer):
    """x + proj(softmax(q k^T / sqrt(E)) v), from (T, D) to (T, D), with q, k and v from one product of rank ``rank`` at most.

    proj has that rank, too. At rank D it is plain attention, see `LowRankProduct`.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        rank: Rank
        norm: TokenNorm = "layer-1e-6"

    attrs: Attrs

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, split, rank = spec.in_shape[-1], (self.attrs.heads, self.attrs.head_width), self.attrs.rank
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS[self.attrs.norm])
        self.qkv = LowRankProduct((width,), (3, *split), rank)
        self.proj = LowRankProduct(split, (width,), rank)

    def forward(self, x: Tensor) -> Tensor:
        tokens, heads, head_width = x.shape[1], self.attrs.heads, self.attrs.head_width
        qkv = self.qkv(self.norm(x)).reshape(-1, tokens, 3, heads, head_width)
        q_BHTE, k_BHTE, v_BHTE = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y_BHTE = F.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE)
        y: Tensor = self.proj(y_BHTE.transpose(1, 2).reshape(-1, tokens, heads * head_width))
        return x + y

    def deployed(self) -> nn.Module:
        return with_products_deployed(self)
