"""Residual scale: a learned factor a channel that starts near nothing (NASViT)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SLOTS = 8


class ResidualScale(nn.Module):
    """y * scale * 8 / width, with a scale of 1e-4 at first.

    NASViT keeps such a scale in 10 x 8 slots, of which its code picks one by the number of tokens modulo 8: a network
    that has been cut out holds one. The 8 of the factor is that number of slots.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((width,), 1e-4))

    def forward(self, y: Tensor) -> Tensor:
        return y * (self.scale * (SLOTS / self.scale.shape[0]))
