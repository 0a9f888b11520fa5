"""Softmax self-attention on a residual, with optional 2-D relative positions on keys and values."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer, init_weight

# Shape suffixes: B batch, T tokens, S side of the patch grid, H heads, E head width, D width.


class Attention(Layer):
    """x + proj(softmax(q k^T / sqrt(E)) v), from (T, D) to (T, D), the class token first.

    With `reach` > 0, learned vectors of the vertical and horizontal offset between two patches,
    clipped to +-reach, are added to every key and value (AutoFormer); entry 0 of each table
    serves pairs with the class token.
    """

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        tokens, width = spec.in_shape
        heads, head_width, reach = spec["heads"], spec["head_width"], spec["reach"]
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.qkv_weight = nn.Parameter(init_weight(torch.empty(3, heads, head_width, width), width))
        self.qkv_bias = nn.Parameter(torch.zeros(3, heads, head_width))
        self.proj_weight = nn.Parameter(init_weight(torch.empty(width, heads, head_width), heads * head_width))
        self.proj_bias = nn.Parameter(torch.zeros(width))
        if reach:
            side = math.isqrt(tokens - 1)
            steps = np.arange(side)
            offsets = np.clip(steps[None, :] - steps[:, None], -reach, reach) + reach + 1
            self.constant("offsets", offsets)
            tables = torch.empty(2, 2, 2 * reach + 2, head_width)
            self.relative = nn.Parameter(nn.init.trunc_normal_(tables, std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        spec = self.spec
        heads, head_width = spec["heads"], spec["head_width"]
        tokens = x.shape[1]
        qkv = F.linear(self.norm(x), self.qkv_weight.flatten(0, 2), self.qkv_bias.flatten())
        q_BHTE, k_BHTE, v_BHTE = qkv.reshape(-1, tokens, 3, heads, head_width).permute(2, 0, 3, 1, 4).unbind(0)
        if spec["reach"]:
            q_BHTE = q_BHTE * head_width**-0.5
            near_key_TTE, near_value_TTE = self._relative_vectors()
            scores_BHTT = q_BHTE @ k_BHTE.transpose(-2, -1) + _for_each_pair(q_BHTE, near_key_TTE.transpose(1, 2))
            share_BHTT = scores_BHTT.softmax(dim=-1)
            y_BHTE = share_BHTT @ v_BHTE + _for_each_pair(share_BHTT, near_value_TTE)
        else:
            y_BHTE = F.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE)
        y_BTD = y_BHTE.transpose(1, 2).reshape(-1, tokens, heads * head_width)
        return x + F.linear(y_BTD, self.proj_weight.flatten(1), self.proj_bias)

    def _relative_vectors(self) -> tuple[Tensor, Tensor]:
        """(T, T, E) for keys and for values: what each pair of tokens knows of its offset."""
        offsets: Tensor = self.offsets  # type: ignore[assignment]
        side = offsets.shape[0]
        found = []
        for vertical, horizontal in self.relative:
            down = vertical[offsets].view(side, 1, side, 1, -1)
            across = horizontal[offsets].view(1, side, 1, side, -1)
            patches = (down + across).reshape(side * side, side * side, -1)
            other = (vertical[0] + horizontal[0]).expand(side * side, 1, -1)
            rows = torch.cat([other, patches], dim=1)
            found.append(torch.cat([other[:1].expand(1, rows.shape[1], -1), rows], dim=0))
        return found[0], found[1]


def _for_each_pair(left_BHTK: Tensor, right_TKN: Tensor) -> Tensor:
    """(B, H, T, K) x (T, K, N) -> (B, H, T, N): a matrix of its own for every token."""
    batch, heads, tokens, inner = left_BHTK.shape
    rows = left_BHTK.permute(2, 0, 1, 3).reshape(tokens, batch * heads, inner)
    return (rows @ right_TKN).reshape(tokens, batch, heads, -1).permute(1, 2, 0, 3)
