"""Mask head: reads the tokens or the map of a network and answers one logit a class for every pixel of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, Natural, about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.layer import LAYER_NORM_EPS, Layer, init_weight

# Shape suffixes: B batch, T tokens, C channels, H and W places, D hidden channels, F factor.


class MaskHead(Layer):
    """(T, width) or (C, h, w) -> (classes, height, width) of the image: norm, expansion, pixel shuffle, 3x3, logits, interpolation.

    A plain head in the manner of SETR (Zheng et al., 2021): no pyramid. A place gives ``factor`` x ``factor`` places of a
    finer map, a depthwise 3x3 joins those of neighbours, and logits are interpolated to the size of the image.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Annotated[Count, about("channels of the finer map")]
        factor: Annotated[Count, about("places each way that a place becomes")]
        height: Annotated[Count, about("rows of the grid of tokens, or of the map")]
        before: Annotated[Natural, about("tokens before the patches, which are not read")] = 0

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        tokens = len(spec.in_shape) == 2
        width, hidden, factor = spec.in_shape[-1 if tokens else 0], self.attrs.hidden, self.attrs.factor
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS["layer-1e-6"])
        self.expand = nn.Parameter(init_weight(torch.empty(hidden, factor, factor, width), width))
        self.expand_bias = nn.Parameter(torch.zeros(hidden, factor, factor))
        self.local = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.logits = nn.Conv2d(hidden, spec.out_shape[0], 1)
        nn.init.zeros_(self.logits.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        attrs = self.attrs
        x_BHWC = x.permute(0, 2, 3, 1) if x.ndim == 4 else self.grid(x)
        finer = F.linear(self.norm(x_BHWC), self.expand.flatten(0, 2), self.expand_bias.flatten()).permute(0, 3, 1, 2)
        if attrs.factor > 1:
            finer = F.pixel_shuffle(finer, attrs.factor)
        finer = finer + F.gelu(self.local(finer))
        logits: Tensor = self.logits(finer)
        size = list(self.spec.out_shape[1:])
        if list(logits.shape[2:]) != size:
            logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        return logits

    def grid(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, H, W, C), without the tokens before the patches."""
        height = self.attrs.height
        patches = x[:, self.attrs.before :]
        return patches.reshape(-1, height, patches.shape[1] // height, patches.shape[2])
