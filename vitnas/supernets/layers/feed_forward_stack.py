"""Feed-forward stack: token-wise FFNs on a map, one after the other, as in ElasticViT and NASViT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes, Hidden
from vitnas.supernets.layers.layer import Layer
from vitnas.supernets.layers.residual_scale import ResidualScale


class FeedForwardStack(Layer):
    """``repeats`` times x + s W2 act(W1 norm(x)) over the channels of (C, H, W).

    Each repeat has its own norm and weights; all share the scale s, which is learned where ``rescale`` is set (see
    `ResidualScale`) and otherwise 1. NASViT has two narrow FFNs, ElasticViT a single wide one.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        repeats: Annotated[Count, about("how many follow one another")]
        rescale: Annotated[bool, about("whether the scale on the residual is learned; otherwise it is 1")]
        act: Activation

    attrs: Attrs

    residual: ClassVar[bool] = True
    per_token: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, hidden = spec.in_shape[0], self.attrs.hidden
        repeats = range(self.attrs.repeats)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in repeats)
        self.expands = nn.ModuleList(nn.Linear(width, hidden) for _ in repeats)
        self.reduces = nn.ModuleList(nn.Linear(hidden, width) for _ in repeats)
        self.rescale = ResidualScale(width) if self.attrs.rescale else None
        for linear in (*self.expands, *self.reduces):
            assert isinstance(linear, nn.Linear)
            nn.init.trunc_normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.attrs.act]
        x_BTC = x.flatten(2).transpose(1, 2)
        for norm, expand, reduce in zip(self.norms, self.expands, self.reduces, strict=True):
            y_BTC = reduce(activate(expand(norm(x_BTC))))
            x_BTC = x_BTC + (y_BTC if self.rescale is None else self.rescale(y_BTC))
        return x_BTC.transpose(1, 2).reshape(x.shape)
