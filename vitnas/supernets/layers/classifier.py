"""Classifier: normalises the tokens, pools them and answers one logit a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Natural, about
from vitnas.supernets.layers.attributes import Attributes, TokenNorm
from vitnas.supernets.layers.layer import LAYER_NORM_EPS, Layer, init_weight


class Classifier(Layer):
    """(T, width) -> (classes), from the class token or the mean of the patches."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        pool: Annotated[Literal["class", "mean"], about("what is read: the class token, or the mean of the patches")]
        registers: Annotated[Natural, about("tokens after the class token that are no patches")] = 0
        class_token: Annotated[bool, about("whether the first token is a class token and no patch")] = True
        pool_first: Annotated[bool, about("whether the tokens are pooled before they are normalised")] = False
        norm: TokenNorm = "layer-1e-6"

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.in_shape[-1]
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS[self.attrs.norm])
        self.linear = nn.Linear(width, spec.out_shape[0])
        init_weight(self.linear.weight, width)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.norm(self.pool(x)) if self.attrs.pool_first else self.pool(self.norm(x))
        logits: Tensor = self.linear(pooled)
        return logits

    def pool(self, x: Tensor) -> Tensor:
        """(B, T, width) -> (B, width)."""
        if self.attrs.pool == "class":
            return x[:, 0]
        return x[:, self.attrs.class_token + self.attrs.registers :].mean(dim=1)
