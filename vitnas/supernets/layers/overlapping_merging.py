"""Overlapping merging (As-ViT): the places under a kernel of stride 2 become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.layer import Layer, init_weight
from vitnas.supernets.layers.padded_stem import overhang


class OverlappingMerging(Layer):
    """(D, H, W) -> (D', H/2, W/2): places side by side, a norm over all of them, one linear map without bias.

    The places are those under a `kernel` of 2 to 4, zeros beyond the border. The norm and the map have two axes for
    them, of which a smaller kernel takes the middle.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernel: Annotated[int, about("side of the square of places that are merged", ge=2, le=4)]

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "norm_weight": (0, 1),
        "norm_bias": (0, 1),
        "weight": (1, 2),
    }

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        narrow, wide, kernel = spec.in_shape[0], spec.out_shape[0], self.attrs.kernel
        self.norm_weight = nn.Parameter(torch.ones(kernel, kernel, narrow))
        self.norm_bias = nn.Parameter(torch.zeros(kernel, kernel, narrow))
        self.weight = nn.Parameter(init_weight(torch.empty(wide, kernel, kernel, narrow), kernel**2 * narrow))

    def forward(self, x_BDHW: Tensor) -> Tensor:
        kernel = self.attrs.kernel
        zeros = overhang(kernel, 2)
        x_BHWD = F.pad(x_BDHW, (*zeros, *zeros)).permute(0, 2, 3, 1)
        rows, columns = (2 * side - 1 for side in self.spec.out_shape[1:])
        places = [
            x_BHWD[:, down : down + rows : 2, across : across + columns : 2]
            for down in range(kernel)
            for across in range(kernel)
        ]
        y = torch.cat(places, dim=-1)
        y = F.layer_norm(y, y.shape[-1:], self.norm_weight.flatten(), self.norm_bias.flatten(), eps=1e-5)
        return F.linear(y, self.weight.flatten(1)).permute(0, 3, 1, 2)
