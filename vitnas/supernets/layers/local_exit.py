"""Local exit (after LGViT): a convolution looks at the neighbours of every patch before the patches are averaged and answered for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Leading
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer, init_weight


class ExitHead(Layer):
    """What heads of exits begin and end with: patches laid out as a map, and one logit a class from their mean.

    From tokens (T, width), the class token first and registers after it, or from a map (C, H, W). The class token, where
    there is one, is added to the mean.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        leading: Leading = 0

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.on_map = len(spec.in_shape) == 3
        self.width = spec.in_shape[0 if self.on_map else -1]
        self.side = 0 if self.on_map else math.isqrt(spec.in_shape[0] - self.attrs.leading)
        self.norm = nn.LayerNorm(self.width, eps=1e-6)
        self.linear = nn.Linear(self.width, spec.out_shape[0])
        init_weight(self.linear.weight, self.width)
        nn.init.zeros_(self.linear.bias)

    def patches(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Normalised patches (B, width, H, W), and the class token (B, width) where there is one."""
        if self.on_map:
            return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), None
        tokens, leading = self.norm(x), self.attrs.leading
        patches = tokens[:, leading:].transpose(1, 2).reshape(-1, self.width, self.side, self.side)
        return patches, tokens[:, :1].squeeze(1) if leading else None

    def answer(self, pooled: Tensor, class_token: Tensor | None) -> Tensor:
        logits: Tensor = self.linear(pooled if class_token is None else pooled + class_token)
        return logits


class LocalExit(ExitHead):
    """mean(x + 1x1(gelu(3x3 of each channel(gelu(1x1(x)))))) + class token -> (classes), each convolution with a batch norm."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.mix = ConvNorm(self.width, self.width, bias=False)
        self.look = ConvNorm(self.width, self.width, 3, groups=self.width, bias=False)
        self.add = ConvNorm(self.width, self.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        patches, class_token = self.patches(x)
        found = patches + self.add(F.gelu(self.look(F.gelu(self.mix(patches)))))
        return self.answer(found.mean(dim=(2, 3)), class_token)
