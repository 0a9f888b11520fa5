"""Low-rank feed-forward: the FFN of tokens whose two weights have a low rank (Greenformers)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Hidden, Rank, TokenNorm
from vitnas.supernets.layers.gelu import GELUS, Gelu
from vitnas.supernets.layers.layer import LAYER_NORM_EPS, Layer
from vitnas.supernets.layers.low_rank import LowRankProduct, with_products_deployed


class LowRankFeedForward(Layer):
    """x + W2 act(W1 norm(x)), from (T, width) to (T, width), W1 and W2 of rank ``rank`` at most.

    At rank ``width`` it is the plain FFN, see `LowRankProduct`.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        rank: Rank
        act: Gelu = "gelu"
        norm: TokenNorm = "layer-1e-6"

    attrs: Attrs

    residual: ClassVar[bool] = True
    per_token: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, hidden, rank = spec.in_shape[-1], self.attrs.hidden, self.attrs.rank
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS[self.attrs.norm])
        self.expand = LowRankProduct((width,), (hidden,), rank)
        self.reduce = LowRankProduct((hidden,), (width,), rank)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.reduce(GELUS[self.attrs.act](self.expand(self.norm(x))))
        return x + y

    def deployed(self) -> nn.Module:
        return with_products_deployed(self)
