"""Channel embedding (ChannelViT): every channel of an image gives tokens of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.supernets.layers.layer import init_weight
from vitnas.supernets.layers.patch_embedding import PatchEmbedding


class ChannelEmbedding(PatchEmbedding):
    """(C, H, W) -> (1 + R + C * H/p * W/p, width); after class token and registers, channel by channel.

    One projection of a single channel and one table of positions serve all channels, and a learned vector says
    which of them a token is from. An image of fewer channels takes the first of those vectors.
    """

    def make_projection(self, channels: int, width: int, patch: int) -> None:
        self.projection = nn.Conv2d(1, width, patch, stride=patch)
        init_weight(self.projection.weight, patch * patch)
        nn.init.zeros_(self.projection.bias)  # type: ignore[arg-type]
        self.channel = nn.Parameter(nn.init.trunc_normal_(torch.empty(channels, width), std=0.1))

    def patches(self, x: Tensor) -> Tensor:
        channels, height, breadth = self.spec.in_shape
        each_BDHW = self.projection(x.reshape(-1, 1, height, breadth))  # every channel an image of its own
        tokens_GTD: Tensor = each_BDHW.flatten(2).transpose(1, 2)
        if self.position is not None:
            tokens_GTD = tokens_GTD + self.position.flatten(0, 1)
        tokens_BCTD: Tensor = tokens_GTD.reshape(-1, channels, *tokens_GTD.shape[1:]) + self.channel[:, None]
        return tokens_BCTD.flatten(1, 2)
