"""Stitch: an affine map of tokens from the width of one network to that of another (SN-Net V2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.layer import Layer, init_weight


class Stitch(Layer):
    """(W + U D) x + b, from (T, width) to (T, another width).

    W is fitted to images and stays, as a buffer; training moves b and the product U D of low rank, which is zero at first.
    Both become one weight in what is deployed.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        rank: Annotated[Count, about("channels between the two factors of what is learned")]

    fitted = ("weight",)
    attrs: Attrs
    weight: Tensor

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, out, rank = spec.in_shape[-1], spec.out_shape[-1], self.attrs.rank
        self.register_buffer("weight", init_weight(torch.empty(out, width), width))
        self.bias = nn.Parameter(torch.zeros(out))
        self.down = nn.Parameter(init_weight(torch.empty(rank, width), width))
        self.up = nn.Parameter(torch.zeros(out, rank))

    def merged(self) -> Tensor:
        """The one weight."""
        return torch.addmm(self.weight, self.up, self.down)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.merged(), self.bias)

    def deployed(self) -> nn.Module:
        out, width = self.weight.shape
        linear = nn.Linear(width, out, device=self.weight.device)
        linear.load_state_dict({"weight": self.merged(), "bias": self.bias}, assign=True)
        return linear
