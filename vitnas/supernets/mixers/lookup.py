"""Lookup block (LookupViT): a few compressed tokens do the heavy work for all places of the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth, Hidden
from vitnas.supernets.layers.layer import init_weight
from vitnas.supernets.mixers.heads import FromHeads, ToHeads
from vitnas.supernets.mixers.mixer import Mixer


class Lookup(Mixer):
    """Attention of a few compressed tokens to the map and back.

    The map averaged to grid x grid tokens z reads from all places, passes attention and an FFN among itself,
    and every place reads back from z by the scores of the first reading, normalised over z. The
    number of compressed tokens changes no weight. LookupViT carries z from block to block; here
    every layer makes it from its own input, so that layers remain a chain. Its thin FFN on the map is the
    layer that follows.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        grid: Annotated[Count, about("compressed tokens along each axis, which divide the map")]
        hidden: Hidden

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, heads, head_width = spec.in_shape[0], self.attrs.heads, self.attrs.head_width
        self.read_norm = nn.LayerNorm(width, eps=1e-6)
        self.read_q = ToHeads(1, width, heads, head_width)
        self.read_kv = ToHeads(2, width, heads, head_width)
        self.read_proj = FromHeads(width, heads, head_width)
        self.think_norm = nn.LayerNorm(width, eps=1e-6)
        self.think_qkv = ToHeads(3, width, heads, head_width)
        self.think_proj = FromHeads(width, heads, head_width)
        self.ffn_norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, self.attrs.hidden)
        self.reduce = nn.Linear(self.attrs.hidden, width)
        self.tell_norm = nn.LayerNorm(width, eps=1e-6)
        self.tell_v = ToHeads(1, width, heads, head_width)
        self.tell_proj = FromHeads(width, heads, head_width)
        for linear in (self.expand, self.reduce):
            init_weight(linear.weight, linear.in_features)
            nn.init.zeros_(linear.bias)

    def mix(self, x_BHWD: Tensor) -> Tensor:
        factor = x_BHWD.shape[1] // self.attrs.grid, x_BHWD.shape[2] // self.attrs.grid
        z_BSD = F.avg_pool2d(x_BHWD.permute(0, 3, 1, 2), factor).flatten(2).transpose(1, 2)
        (q_BNSE,) = self.read_q(self.read_norm(z_BSD))
        k_BNTE, v_BNTE = self.read_kv(x_BHWD.flatten(1, 2))
        scores_BNST = (q_BNSE * self.attrs.head_width**-0.5) @ k_BNTE.transpose(-2, -1)
        z_BSD = z_BSD + self.read_proj(scores_BNST.softmax(dim=-1) @ v_BNTE)
        z_BSD = z_BSD + self.think_proj(F.scaled_dot_product_attention(*self.think_qkv(self.think_norm(z_BSD))))
        z_BSD = z_BSD + self.reduce(F.gelu(self.expand(self.ffn_norm(z_BSD))))
        (told_BNSE,) = self.tell_v(self.tell_norm(z_BSD))
        y_BTD: Tensor = self.tell_proj(scores_BNST.transpose(-2, -1).softmax(dim=-1) @ told_BNSE)
        return y_BTD.reshape(x_BHWD.shape)
