"""Recursive block: a transformer block that a map passes several times, with the same weights (SReT)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, Natural, about
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth, Hidden, Numbers
from vitnas.supernets.layers.layer import Layer, init_weight

# Shape suffixes: B batch, T tokens, S tokens of a slice, N batch times slices, H heads, E head width, D width.

Attend = Callable[[Tensor], Tensor]
"""Slices (N, S, D) to slices."""


class RecursiveBlock(Layer):
    """``loops`` passes from (D, H, W) to (D, H, W), each of attention, an FFN and, with ``projection``, an FFN of its own.

    Attention and the first FFN have one set of weights for all passes. Attention looks at slices of the places: in the first
    pass each is a run of places row by row, later every slice takes one place in so many, so that all of them meet. (The authors
    draw that order anew for every batch.) Both sides of every residual have a learned factor, 1 at first.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        hidden: Hidden
        loops: Annotated[Count, about("how many times the map passes the block")]
        projection: Annotated[Natural, about("channels inside the FFN that every pass has for itself; 0 for none")] = 0
        slices: Annotated[
            Numbers,
            about("into how many slices a pass cuts the map, with dots between; the last counts for all others"),
        ] = "1"

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, height, breadth = spec.in_shape
        heads, head_width, projection = self.attrs.heads, self.attrs.head_width, self.attrs.projection
        given = [int(number) for number in self.attrs.slices.split(".")]
        self.slices = [given[min(i, len(given) - 1)] for i in range(self.attrs.loops)]
        odd = next((number for number in self.slices if height * breadth % number), None)
        if odd is not None:
            raise SpaceError(
                f"layer kind 'recursive_block': {odd} slices do not divide the {height * breadth} places of a {height} x "
                f"{breadth} map; choose slices that do"
            )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.qkv_weight = nn.Parameter(init_weight(torch.empty(3, heads, head_width, width), width))
        self.qkv_bias = nn.Parameter(torch.zeros(3, heads, head_width))
        self.proj_weight = nn.Parameter(init_weight(torch.empty(width, heads, head_width), heads * head_width))
        self.proj_bias = nn.Parameter(torch.zeros(width))
        self.sum = ScaledSum()
        self.ffn = ScaledFeedForward(width, self.attrs.hidden)
        own = self.attrs.loops if projection else 0
        self.projections = nn.ModuleList(ScaledFeedForward(width, projection) for _ in range(own))

    def forward(self, x: Tensor) -> Tensor:
        attend = self.attention()
        x_BTD = x.flatten(2).transpose(1, 2)
        for i, slices in enumerate(self.slices):
            sliced = in_runs if i == 0 else interleaved
            x_BTD = self.sum(x_BTD, sliced(attend, self.norm(x_BTD), slices))
            x_BTD = self.ffn(x_BTD)
            if self.attrs.projection:
                x_BTD = self.projections[i](x_BTD)
        return x_BTD.transpose(1, 2).reshape(x.shape)

    def attention(self) -> Attend:
        """Softmax attention within every slice; its weights are laid out once for all passes, so that graphs have them once."""
        heads, head_width = self.attrs.heads, self.attrs.head_width
        qkv_weight, qkv_bias = self.qkv_weight.flatten(0, 2), self.qkv_bias.flatten()
        proj_weight = self.proj_weight.flatten(1)

        def attend(x_NSD: Tensor) -> Tensor:
            tokens = x_NSD.shape[1]
            qkv = F.linear(x_NSD, qkv_weight, qkv_bias).reshape(-1, tokens, 3, heads, head_width)
            q_NHSE, k_NHSE, v_NHSE = qkv.permute(2, 0, 3, 1, 4).unbind(0)
            y_NHSE = F.scaled_dot_product_attention(q_NHSE, k_NHSE, v_NHSE)
            y_NSD = y_NHSE.transpose(1, 2).reshape(-1, tokens, heads * head_width)
            return F.linear(y_NSD, proj_weight, self.proj_bias)

        return attend


def in_runs(attend: Attend, x_BTD: Tensor, slices: int) -> Tensor:
    """Attention in slices of neighbours."""
    _, tokens, width = x_BTD.shape
    return attend(x_BTD.reshape(-1, tokens // slices, width)).reshape(-1, tokens, width)


def interleaved(attend: Attend, x_BTD: Tensor, slices: int) -> Tensor:
    """Attention in slices of tokens that lie `slices` apart."""
    if slices == 1:
        return attend(x_BTD)
    _, tokens, width = x_BTD.shape
    within = tokens // slices
    x_NSD = x_BTD.reshape(-1, within, slices, width).transpose(1, 2).reshape(-1, within, width)
    return attend(x_NSD).reshape(-1, slices, within, width).transpose(1, 2).reshape(-1, tokens, width)


class ScaledSum(nn.Module):
    """a x + b y with learned a and b."""

    def __init__(self) -> None:
        super().__init__()
        self.of_input = nn.Parameter(torch.ones(1))
        self.of_branch = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.of_input * x + self.of_branch * y


class ScaledFeedForward(nn.Module):
    """a x + b W2 gelu(W1 norm(x))."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, hidden)
        self.reduce = nn.Linear(hidden, width)
        self.sum = ScaledSum()
        for linear in (self.expand, self.reduce):
            init_weight(linear.weight, linear.in_features)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.sum(x, self.reduce(F.gelu(self.expand(self.norm(x)))))
        return y
