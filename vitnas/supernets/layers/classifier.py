"""Classifier: normalises the tokens, pools them and answers one logit a class."""

from __future__ import annotations

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer, init_weight
from vitnas.supernets.layers.patch_embedding import num_registers


class Classifier(Layer):
    """(T, width) -> (classes); pool "class" reads the first token, "mean" averages the patches.

    Where `registers` is given, so many tokens behind the first are no patches.
    """

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.in_shape[-1]
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.linear = nn.Linear(width, spec.out_shape[0])
        init_weight(self.linear.weight, width)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        pooled = x[:, 0] if self.spec["pool"] == "class" else x[:, 1 + num_registers(self.spec) :].mean(dim=1)
        logits: Tensor = self.linear(pooled)
        return logits
