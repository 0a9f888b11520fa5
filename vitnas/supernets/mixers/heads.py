"""Projections into heads and back, with one axis of the weight for every role."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.supernets.mixers.mixer import drawn, zeros


class ToHeads(nn.Module):
    """(B, T, D) -> one (B, N, T, E) for each role, such as query, key and value."""

    def __init__(self, roles: int, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.split = (roles, heads, head_width)
        self.weight = drawn(*self.split, width, fan_in=width)
        self.bias = zeros(*self.split)

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, ...]:
        y = F.linear(x_BTD, self.weight.flatten(0, 2), self.bias.flatten())
        return y.reshape(-1, x_BTD.shape[1], *self.split).permute(2, 0, 3, 1, 4).unbind(0)


class FromHeads(nn.Module):
    """(B, N, T, E) -> (B, T, D)."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.weight = drawn(width, heads, head_width, fan_in=heads * head_width)
        self.bias = zeros(width)

    def forward(self, y_BNTE: Tensor) -> Tensor:
        y = y_BNTE.transpose(1, 2).reshape(-1, y_BNTE.shape[2], self.weight[0].numel())
        return F.linear(y, self.weight.flatten(1), self.bias)
