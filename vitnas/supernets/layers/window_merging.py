"""Window merging (after LLaVA-UHD v3): the patches of a small window become one by a linear map that starts as their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.layer import Layer

# Shape suffixes: B batch, R rows and C columns of windows, W places of a window, D width.


class WindowMerging(Layer):
    """(1 + P, width) -> (1 + P / (down * across), width); the class token comes first and stays as it is.

    Nothing is chosen, so numbers of any precision merge the same patches. The map has weights of its own for every place
    of the window, all the identity at first, and their sum is divided by the number of places: smaller windows take the
    first places, and begin as a mean too.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        columns: Annotated[Count, about("patches of a row, which windows divide")]
        down: Annotated[Count, about("rows of a window")]
        across: Annotated[Count, about("columns of a window")]

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, down, across = spec.in_shape[-1], self.attrs.down, self.attrs.across
        each = torch.eye(width).reshape(width, 1, 1, width).expand(-1, down, across, -1)
        self.weight = nn.Parameter(each.clone())
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        width, down, across = x.shape[-1], self.attrs.down, self.attrs.across
        columns, left = self.attrs.columns // across, self.spec.out_shape[0] - 1
        rows = x[:, 1:].reshape(-1, down, columns, across * width)  # no more than four axes: not every target takes six
        windows_BRCW = rows.transpose(1, 2).reshape(-1, left, down * across * width)
        merged = F.linear(windows_BRCW, self.weight.flatten(1) / (down * across), self.bias)
        return torch.cat([x[:, :1], merged], dim=1)
