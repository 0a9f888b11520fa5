"""Tanh classifier (As-ViT): normalises a map, averages it, and answers through one hidden layer of its own width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer, init_weight


class TanhClassifier(Layer):
    """(D, H, W) -> (classes): linear(tanh(linear(mean(norm(x)))))."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.in_shape[0]
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mix = nn.Linear(width, width)
        self.linear = nn.Linear(width, spec.out_shape[0])
        for linear in (self.mix, self.linear):
            init_weight(linear.weight, width)
            nn.init.zeros_(linear.bias)

    def forward(self, x_BDHW: Tensor) -> Tensor:
        x_BD = self.norm(x_BDHW.permute(0, 2, 3, 1)).mean(dim=(1, 2))
        logits: Tensor = self.linear(torch.tanh(self.mix(x_BD)))
        return logits
