"""Classifier: normalises the tokens, pools them and answers one logit a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Natural, about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.layer import Layer, init_weight


class Classifier(Layer):
    """(T, width) -> (classes), from the class token or the mean of the patches."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        pool: Annotated[Literal["class", "mean"], about("what is read: the class token, or the mean of the patches")]
        registers: Annotated[Natural, about("tokens after the class token that are no patches")] = 0

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.in_shape[-1]
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.linear = nn.Linear(width, spec.out_shape[0])
        init_weight(self.linear.weight, width)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        pooled = x[:, 0] if self.attrs.pool == "class" else x[:, 1 + self.attrs.registers :].mean(dim=1)
        logits: Tensor = self.linear(pooled)
        return logits
