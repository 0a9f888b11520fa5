"""Gaussian-mixture mask attention: scores are scaled by a learned mixture of bells over distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth
from vitnas.supernets.mixers.heads import FromHeads, ToHeads
from vitnas.supernets.mixers.mixer import Mixer


class MixtureMaskAttention(Mixer):
    """softmax(q k^T / sqrt(E) * M) v with M = sum of a exp(-distance^2 / (2 s^2)).

    One mask of 2 * bells numbers serves all heads and every map. It scales scores and does not hide: where M is 0,
    the score is 0. The authors take a power of exp(-distance^2), which is 0 in fp32 from a distance of
    about 10 on, whatever the learned breadth; here the breadth divides the distance first.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        bells: Annotated[Count, about("bells of the mask")]

    attrs: Attrs

    squared_distance: Tensor

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        (width, height, breadth), heads, head_width = spec.in_shape, self.attrs.heads, self.attrs.head_width
        self.qkv = ToHeads(3, width, heads, head_width)
        self.proj = FromHeads(width, heads, head_width)
        self.breadth = nn.Parameter(10 + 10 * torch.randn(self.attrs.bells, 1, 1))
        self.height = nn.Parameter(2 * torch.randn(self.attrs.bells, 1, 1))
        y, x = (axis.ravel() for axis in np.mgrid[:height, :breadth])
        squared = (y[:, None] - y[None]) ** 2 + (x[:, None] - x[None]) ** 2
        self.constant("squared_distance", squared.astype(np.float32))

    def mask(self) -> Tensor:
        """(T, T), a constant once trained."""
        bells = torch.exp(-self.squared_distance / (2 * (self.breadth**2 + 1e-5)))
        return (self.height * bells).sum(dim=0)

    def mix(self, x_BHWD: Tensor) -> Tensor:
        q_BNTE, k_BNTE, v_BNTE = self.qkv(x_BHWD.flatten(1, 2))
        scores_BNTT = (q_BNTE * self.attrs.head_width**-0.5) @ k_BNTE.transpose(-2, -1)
        y_BTD: Tensor = self.proj((scores_BNTT * self.mask()).softmax(dim=-1) @ v_BNTE)
        return y_BTD.reshape(x_BHWD.shape)
