"""Map classifier: normalises a map, averages it and answers one logit a class, from one head or two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.layer import LAYER_NORM_EPS, Layer, init_weight


class MapClassifier(Layer):
    """(C, H, W) -> (classes).

    ``norm`` is "batch", "layer" (over the channels) or "layer-1e-6", whose smaller epsilon counts where the variance of
    averaged channels is small; ``pool_first`` averages before it normalises. With
    ``distilled``, a second head learns from a teacher and the answer is the mean of both; `heads` gives them apart.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        norm: Annotated[
            Literal["batch", "layer", "layer-1e-6"],
            about("the norm; the smaller epsilon counts where the variance of averaged channels is small"),
        ]
        pool_first: Annotated[bool, about("whether the map is averaged before it is normalised")]
        distilled: Annotated[bool, about("whether a second head learns from a teacher; the answer is the mean of both")]

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, classes = spec.in_shape[0], spec.out_shape[0]
        self.norm: nn.Module = (
            nn.BatchNorm2d(width)
            if self.attrs.norm == "batch"
            else nn.LayerNorm(width, eps=LAYER_NORM_EPS[self.attrs.norm])
        )
        self.weight = nn.Parameter(torch.empty(1 + self.attrs.distilled, classes, width))
        self.bias = nn.Parameter(torch.zeros(1 + self.attrs.distilled, classes))
        init_weight(self.weight, width)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.heads(x)
        return logits.mean(dim=1) if self.attrs.distilled else logits.flatten(1)

    def heads(self, x: Tensor) -> Tensor:
        """(batch, heads, classes): the label's head first, then the teacher's."""
        if self.attrs.pool_first:
            x = x.mean(dim=(2, 3), keepdim=True)
        if self.attrs.norm == "batch":
            x = self.norm(x).mean(dim=(2, 3))
        else:
            x = self.norm(x.permute(0, 2, 3, 1)).mean(dim=(1, 2))
        logits = F.linear(x, self.weight.flatten(0, 1), self.bias.flatten())
        return logits.reshape(-1, *self.bias.shape)
