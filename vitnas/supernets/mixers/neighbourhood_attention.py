"""Neighbourhood attention (NAT, DiNAT): every place sees the nearest kernel x kernel places, perhaps dilated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth, OddKernel
from vitnas.supernets.mixers.heads import FromHeads, ToHeads
from vitnas.supernets.mixers.mixer import Mixer, small
from vitnas.supernets.mixers.windows import HIDDEN, pair_bias, pair_index


class NeighbourhoodAttention(Mixer):
    """Softmax attention to the nearest places; a map holds at least kernel * dilation along each axis.

    Places at a border see as many others as those inside: their neighbourhood moves inwards. No
    exchange format has this operator, so all pairs are computed and those outside are hidden by a
    constant. That is exact, costs 2 T^2 D MACs instead of 2 T kernel^2 D, and fits maps up to 14x14 or so.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        kernel: Annotated[OddKernel, about("side of a neighbourhood, in places seen")]
        dilation: Annotated[Count, about("the step from one place seen to the next")]

    attrs: Attrs

    norm_eps: ClassVar[float] = 1e-5
    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"offset_bias": (1, 2)}

    offsets: Tensor
    mask: Tensor

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        (width, height, breadth), heads, head_width = spec.in_shape, self.attrs.heads, self.attrs.head_width
        kernel, dilation = self.attrs.kernel, self.attrs.dilation
        self.qkv = ToHeads(3, width, heads, head_width)
        self.proj = FromHeads(width, heads, head_width)
        self.offset_bias = small(heads, 2 * kernel - 1, 2 * kernel - 1)
        near = [neighbours(size, kernel, dilation) for size in (height, breadth)]
        both = near[0][:, None, :, None] & near[1][None, :, None, :]
        mask = np.where(both.reshape(height * breadth, -1), 0, HIDDEN)
        self.constant("mask", mask.astype(np.float32))
        self.constant("offsets", pair_index(height, breadth, dilation, (kernel, kernel)))

    def mix(self, x_BHWD: Tensor) -> Tensor:
        q_BNTE, k_BNTE, v_BNTE = self.qkv(x_BHWD.flatten(1, 2))
        bias_NTT = pair_bias(self.offset_bias, self.offsets) + self.mask
        y_BTD: Tensor = self.proj(F.scaled_dot_product_attention(q_BNTE, k_BNTE, v_BNTE, attn_mask=bias_NTT))
        return y_BTD.reshape(x_BHWD.shape)


def neighbours(size: int, kernel: int, dilation: int) -> NDArray[np.bool_]:
    """(size, size): whether the place of the row sees that of the column, along one axis."""
    seen = np.zeros((size, size), dtype=np.bool_)
    for place in range(size):
        phase, position = place % dilation, place // dilation
        length = -(-(size - phase) // dilation)
        start = min(max(position - kernel // 2, 0), max(length - kernel, 0))
        seen[place, phase + dilation * start : phase + dilation * (start + kernel) : dilation] = True
    return seen
