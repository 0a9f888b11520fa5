"""Softmax self-attention on a residual, with optional 2-D relative positions on keys and values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Natural, about
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth
from vitnas.supernets.layers.layer import Layer, init_weight

# Shape suffixes: B batch, T tokens, S side of the patch grid, H heads, E head width, D width.


MOST_PAIRED = 50
"""Up to so many tokens a vector for every pair takes less time than products over rows and columns."""


class TokenAttention(Layer):
    """The weights of softmax self-attention on tokens, by head, and the two products around it."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth

    attrs: Attrs

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width = spec.in_shape[-1]
        heads, head_width = self.attrs.heads, self.attrs.head_width
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.qkv_weight = nn.Parameter(init_weight(torch.empty(3, heads, head_width, width), width))
        self.qkv_bias = nn.Parameter(torch.zeros(3, heads, head_width))
        self.proj_weight = nn.Parameter(init_weight(torch.empty(width, heads, head_width), heads * head_width))
        self.proj_bias = nn.Parameter(torch.zeros(width))

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) -> three times (B, H, T, E)."""
        qkv = F.linear(self.norm(x), self.qkv_weight.flatten(0, 2), self.qkv_bias.flatten())
        split = qkv.reshape(-1, x.shape[1], 3, self.attrs.heads, self.attrs.head_width)
        q_BHTE, k_BHTE, v_BHTE = split.permute(2, 0, 3, 1, 4).unbind(0)
        return q_BHTE, k_BHTE, v_BHTE

    def added(self, x: Tensor, y_BHTE: Tensor) -> Tensor:
        """The tokens and what the heads answer for them."""
        y_BTD = y_BHTE.transpose(1, 2).reshape(-1, x.shape[1], self.attrs.heads * self.attrs.head_width)
        return x + F.linear(y_BTD, self.proj_weight.flatten(1), self.proj_bias)


class Attention(TokenAttention):
    """x + proj(softmax(q k^T / sqrt(E)) v), from (T, D) to (T, D), the class token first.

    With `reach` > 0, learned vectors of the vertical and horizontal offset between two patches,
    clipped to +-reach, are added to every key and value (AutoFormer); entry 0 of each table
    serves pairs with the class token.
    """

    @dataclass(frozen=True)
    class Attrs(TokenAttention.Attrs):
        reach: Annotated[Natural, about("the largest offset with a position of its own; 0 for none")]

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        reach = self.attrs.reach
        if reach:
            side = math.isqrt(spec.in_shape[0] - 1)
            steps = np.arange(side)
            offsets = np.clip(steps[None, :] - steps[:, None], -reach, reach) + reach + 1
            self.constant("offsets", offsets)
            tables = torch.empty(2, 2, 2 * reach + 2, self.attrs.head_width)
            self.relative = nn.Parameter(nn.init.trunc_normal_(tables, std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(x, _RowsAndColumns if x.shape[1] > MOST_PAIRED else _Pairs)

    def counted(self) -> nn.Module:
        return _PairByPair(self) if self.attrs.reach and self.spec.in_shape[0] > MOST_PAIRED else self

    def attend(self, x: Tensor, places_of: type[_RowsAndColumns | _Pairs]) -> Tensor:
        """The answer, with relative positions, where there are any, computed in one of two ways."""
        q_BHTE, k_BHTE, v_BHTE = self.queries_keys_values(x)
        if self.attrs.reach:
            q_BHTE = q_BHTE * self.attrs.head_width**-0.5
            places = places_of(self.relative, self.offsets)  # type: ignore[arg-type]
            share_BHTT = (q_BHTE @ k_BHTE.transpose(-2, -1) + places.scores(q_BHTE)).softmax(dim=-1)
            y_BHTE = share_BHTT @ v_BHTE + places.values(share_BHTT)
        else:
            y_BHTE = F.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE)
        return self.added(x, y_BHTE)


class _RowsAndColumns:
    """What relative positions add, with products over rows and columns of the grid instead of pairs of tokens.

    The vector of a pair is that of the offset of their rows plus that of their columns, so no pair needs one of its own.
    All vectors are told from those of pairs with the class token, which then add nothing to the scores (the same to all
    keys of a query, which softmax leaves out) and the same to every value.
    """

    def __init__(self, relative: Tensor, offsets: Tensor) -> None:
        self.side = len(offsets)
        near = (relative - relative[:, :, :1])[:, :, offsets]  # keys and values, down and across, (S, S, E)
        (self.down_key_SSE, self.across_key_SSE), (self.down_value_SSE, self.across_value_SSE) = near
        self.value_E = relative[1, 0, 0] + relative[1, 1, 0]

    def scores(self, q_BHTE: Tensor) -> Tensor:
        """(B, H, T, E) -> (B, H, T, T), what is added to the scores."""
        (_, heads, tokens, width), side = q_BHTE.shape, self.side
        q_NSSE = q_BHTE[:, :, 1:].reshape(-1, side, side, width)  # no more than five axes: not every target takes six
        down_NSSS = q_NSSE @ self.down_key_SSE.transpose(1, 2)
        across_NSSS = (q_NSSE.transpose(1, 2) @ self.across_key_SSE.transpose(1, 2)).transpose(1, 2)
        patches = (down_NSSS.unsqueeze(-1) + across_NSSS.unsqueeze(-2)).reshape(-1, heads, tokens - 1, tokens - 1)
        return F.pad(patches, (1, 0, 1, 0))

    def values(self, share_BHTT: Tensor) -> Tensor:
        """(B, H, T, T) -> (B, H, T, E), what is added to the mixed values."""
        heads, tokens, side = share_BHTT.shape[1], share_BHTT.shape[2], self.side
        share_NSSSS = share_BHTT[:, :, 1:, 1:].reshape(-1, side, side, side, side)
        down_NSSE = share_NSSSS.sum(dim=-1) @ self.down_value_SSE
        across_NSSE = (share_NSSSS.sum(dim=-2).transpose(1, 2) @ self.across_value_SSE).transpose(1, 2)
        patches = (down_NSSE + across_NSSE).reshape(-1, heads, tokens - 1, len(self.value_E))
        return F.pad(patches, (0, 0, 1, 0)) + self.value_E


class _Pairs:
    """The same with a vector for every pair of tokens, as its authors compute it: fewer operators, more products."""

    def __init__(self, relative: Tensor, offsets: Tensor) -> None:
        side = offsets.shape[0]
        found = []
        for vertical, horizontal in relative:
            down = vertical[offsets].view(side, 1, side, 1, -1)
            across = horizontal[offsets].view(1, side, 1, side, -1)
            patches = (down + across).reshape(side * side, side * side, -1)
            other = (vertical[0] + horizontal[0]).expand(side * side, 1, -1)
            rows = torch.cat([other, patches], dim=1)
            found.append(torch.cat([other[:1].expand(1, rows.shape[1], -1), rows], dim=0))
        self.key_TTE, self.value_TTE = found

    def scores(self, q_BHTE: Tensor) -> Tensor:
        return _for_each_pair(q_BHTE, self.key_TTE.transpose(1, 2))

    def values(self, share_BHTT: Tensor) -> Tensor:
        return _for_each_pair(share_BHTT, self.value_TTE)


class _PairByPair(nn.Module):
    """Attention as its authors compute and count it, whatever the number of tokens."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor) -> Tensor:
        return self.attention.attend(x, _Pairs)


def _for_each_pair(left_BHTK: Tensor, right_TKN: Tensor) -> Tensor:
    """(B, H, T, K) x (T, K, N) -> (B, H, T, N): a matrix of its own for every token."""
    batch, heads, tokens, inner = left_BHTK.shape
    rows = left_BHTK.permute(2, 0, 1, 3).reshape(tokens, batch * heads, inner)
    return (rows @ right_TKN).reshape(tokens, batch, heads, -1).permute(1, 2, 0, 3)
