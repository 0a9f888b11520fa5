"""HiLo attention (LITv2): some heads look inside small windows, the others at a pooled map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Natural, about
from vitnas.supernets.layers.attributes import Attributes, HeadWidth, Window
from vitnas.supernets.mixers.heads import ToHeads
from vitnas.supernets.mixers.mixer import Mixer, drawn, zeros
from vitnas.supernets.mixers.windows import from_windows, to_windows


class HiloAttention(Mixer):
    """High heads and low heads side by side; together they make up the width.

    High heads attend inside windows, low heads to the map averaged over windows. The branches have
    projections of their own and their results stand side by side, high first. Heads are counted
    instead of given as a fraction alpha, and each branch drops its last heads.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        high_heads: Annotated[Natural, about("heads that attend inside windows")]
        low_heads: Annotated[Natural, about("heads that attend to the map averaged over windows")]
        head_width: HeadWidth
        window: Window

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, head_width = spec.in_shape[0], self.attrs.head_width
        high, low = self.attrs.high_heads, self.attrs.low_heads
        if high:
            self.high_qkv = ToHeads(3, width, high, head_width)
            self.high_proj = BranchProjection(high, head_width)
        if low:
            self.low_q = ToHeads(1, width, low, head_width)
            self.low_kv = ToHeads(2, width, low, head_width)
            self.low_proj = BranchProjection(low, head_width)

    def mix(self, x_BHWD: Tensor) -> Tensor:
        parts = []
        if self.attrs.high_heads:
            parts.append(self._high(x_BHWD))
        if self.attrs.low_heads:
            parts.append(self._low(x_BHWD))
        return torch.cat(parts, dim=-1)

    def _high(self, x_BHWD: Tensor) -> Tensor:
        window = self.attrs.window
        q, k, v = self.high_qkv(to_windows(x_BHWD, window, window))
        y = self.high_proj(F.scaled_dot_product_attention(q, k, v))
        return from_windows(y, window, window, (x_BHWD.shape[1], x_BHWD.shape[2]))

    def _low(self, x_BHWD: Tensor) -> Tensor:
        (q_BNTE,) = self.low_q(x_BHWD.flatten(1, 2))
        pooled = F.avg_pool2d(x_BHWD.permute(0, 3, 1, 2), self.attrs.window)
        k_BNSE, v_BNSE = self.low_kv(pooled.flatten(2).transpose(1, 2))
        y: Tensor = self.low_proj(F.scaled_dot_product_attention(q_BNTE, k_BNSE, v_BNSE))
        return y.reshape(*x_BHWD.shape[:3], -1)


class BranchProjection(torch.nn.Module):
    """(B, N, T, E) -> (B, T, N * E): mixes the heads of one branch; both of its sides are counted in heads."""

    def __init__(self, heads: int, head_width: int) -> None:
        super().__init__()
        self.inner = heads * head_width
        self.weight = drawn(heads, head_width, heads, head_width, fan_in=self.inner)
        self.bias = zeros(heads, head_width)

    def forward(self, y_BNTE: Tensor) -> Tensor:
        y = y_BNTE.transpose(1, 2).reshape(-1, y_BNTE.shape[2], self.inner)
        return F.linear(y, self.weight.reshape(self.inner, self.inner), self.bias.flatten())
