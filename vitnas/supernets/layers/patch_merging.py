"""Patch merging (Swin): 2x2 places become one, at half the height and breadth."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer, init_weight


class PatchMerging(Layer):
    """Swin: the 2x2 places of a patch side by side, a norm over all of them, one linear map without bias.

    The norm and the map keep an axis for the place in the patch, so that a smaller width takes the
    same channels of each of the four.
    """

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        narrow, wide = spec.in_shape[0], spec.out_shape[0]
        self.norm_weight = nn.Parameter(torch.ones(4, narrow))
        self.norm_bias = nn.Parameter(torch.zeros(4, narrow))
        self.weight = nn.Parameter(init_weight(torch.empty(wide, 4, narrow), 4 * narrow))

    def forward(self, x_BDHW: Tensor) -> Tensor:
        x = x_BDHW.permute(0, 2, 3, 1)
        # Places of a patch in Swin's order: down first, then across.
        places = [x[:, down::2, across::2] for across in (0, 1) for down in (0, 1)]
        y = torch.cat(places, dim=-1)
        y = F.layer_norm(y, y.shape[-1:], self.norm_weight.flatten(), self.norm_bias.flatten(), eps=1e-5)
        return F.linear(y, self.weight.flatten(1)).permute(0, 3, 1, 2)
