"""Offset attention: softmax attention in windows of a map, with a learned bias for each offset.

The attention of LeViT's family: EfficientFormer V1 uses it over its last, whole map, TinyViT in windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes, Heads, KeyWidth, ValueWidth
from vitnas.supernets.layers.layer import Layer, init_weight

# Shape suffixes: B batch (G: times windows), T tokens of a window, H heads, E key width, V value width.


class OffsetAttention(Layer):
    """x + s proj(softmax(q k^T / sqrt(E) + bias) v), from (C, H, W) to (C, H, W), in ``window`` x ``window`` parts.

    A map that the window does not divide is padded at its lower and right borders; the padding takes part in the
    attention, as published. The bias depends on the distance between two tokens, down and across. Without
    ``layer_scale``, s is 1.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        key_width: KeyWidth
        value_width: ValueWidth
        window: Annotated[Count, about("side of the windows; a map that they do not divide is padded")]
        layer_scale: Annotated[bool, about("whether the scale s is learned for each channel; otherwise it is 1")]

    attrs: Attrs

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, heads, window = spec.in_shape[0], self.attrs.heads, self.attrs.window
        self.norm = nn.LayerNorm(width)
        self.query_key = nn.Parameter(torch.empty(2, heads, self.attrs.key_width, width))
        self.query_key_bias = nn.Parameter(torch.zeros(2, heads, self.attrs.key_width))
        self.value = nn.Parameter(torch.empty(heads, self.attrs.value_width, width))
        self.value_bias = nn.Parameter(torch.zeros(heads, self.attrs.value_width))
        self.proj = nn.Parameter(torch.empty(width, heads, self.attrs.value_width))
        self.proj_bias = nn.Parameter(torch.zeros(width))
        self.offset_bias = nn.Parameter(torch.zeros(heads, window, window))
        self.scale = nn.Parameter(torch.full((width,), 1e-5)) if self.attrs.layer_scale else None
        self.constant("offsets", offset_indices(window))
        for weight in (self.query_key, self.value):
            init_weight(weight, width)
        init_weight(self.proj, heads * self.attrs.value_width)

    def forward(self, x: Tensor) -> Tensor:
        spec = self.spec
        _, height, breadth = spec.in_shape
        window = self.attrs.window
        down, right = -height % window, -breadth % window
        y = x.permute(0, 2, 3, 1)
        if down or right:
            y = F.pad(y, (0, 0, 0, right, 0, down))
        y = self._attend(self.norm(_split(y, window)))
        y = _join(y, window, height + down, breadth + right)[:, :height, :breadth]
        if self.scale is not None:
            y = self.scale * y
        return x + y.permute(0, 3, 1, 2)

    def _attend(self, x: Tensor) -> Tensor:
        heads, key_width, value_width = self.attrs.heads, self.attrs.key_width, self.attrs.value_width
        tokens = x.shape[1]
        query_key = F.linear(x, self.query_key.flatten(0, 2), self.query_key_bias.flatten())
        q_GHTE, k_GHTE = query_key.reshape(-1, tokens, 2, heads, key_width).permute(2, 0, 3, 1, 4).unbind(0)
        v_GTHV = F.linear(x, self.value.flatten(0, 1), self.value_bias.flatten()).reshape(
            -1, tokens, heads, value_width
        )
        bias_HTT = self.offset_bias.flatten(1)[:, self.offsets]  # type: ignore[index]
        scores_GHTT = (q_GHTE * key_width**-0.5) @ k_GHTE.transpose(-2, -1) + bias_HTT
        y_GHTV = scores_GHTT.softmax(dim=-1) @ v_GTHV.transpose(1, 2)
        y_GTV = y_GHTV.transpose(1, 2).reshape(-1, tokens, heads * value_width)
        return F.linear(y_GTV, self.proj.flatten(1), self.proj_bias)


def offset_indices(side: int, step: int = 1) -> NDArray[np.int64]:
    """(queries, keys): the entry of a (side, side) table, flattened, for the distance of every pair of tokens.

    Keys stand on every place of a square map of that side, queries on every `step`-th.
    """
    keys, queries = np.arange(side), np.arange(0, side, step)
    distance = np.abs(queries[:, None] - keys[None, :])
    pairs: NDArray[np.int64] = distance[:, None, :, None] * side + distance[None, :, None, :]
    return pairs.reshape(len(queries) ** 2, side**2)


def _split(x_BHWC: Tensor, window: int) -> Tensor:
    """(B, H, W, C) -> (B * windows, window * window, C), in no more than rank 4."""
    _, height, breadth, width = x_BHWC.shape
    if height == breadth == window:
        return x_BHWC.reshape(-1, window * window, width)
    rows = x_BHWC.reshape(-1, window, breadth // window, window * width)
    return rows.transpose(1, 2).reshape(-1, window * window, width)


def _join(x_GTC: Tensor, window: int, height: int, breadth: int) -> Tensor:
    """The inverse of `_split`, back to (B, H, W, C)."""
    width = x_GTC.shape[-1]
    if height == breadth == window:
        return x_GTC.reshape(-1, height, breadth, width)
    columns = x_GTC.reshape(-1, breadth // window, window, window * width)
    return columns.transpose(1, 2).reshape(-1, height, breadth, width)
