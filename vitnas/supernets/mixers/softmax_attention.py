"""Softmax attention on maps: every place sees every other."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth
from vitnas.supernets.mixers.heads import FromHeads, ToHeads
from vitnas.supernets.mixers.mixer import Mixer


class SoftmaxAttention(Mixer):
    """proj(softmax(q k^T / sqrt(E)) v) over all H * W places."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, heads, head_width = spec.in_shape[0], self.attrs.heads, self.attrs.head_width
        self.qkv = ToHeads(3, width, heads, head_width)
        self.proj = FromHeads(width, heads, head_width)

    def mix(self, x_BHWD: Tensor) -> Tensor:
        q_BNTE, k_BNTE, v_BNTE = self.qkv(x_BHWD.flatten(1, 2))
        y_BTD: Tensor = self.proj(F.scaled_dot_product_attention(q_BNTE, k_BNTE, v_BNTE))
        return y_BTD.reshape(x_BHWD.shape)
