"""Spatial-reduction attention (PVT v2): keys and values come from a smaller map."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth, Reduction
from vitnas.supernets.mixers.heads import FromHeads, ToHeads
from vitnas.supernets.mixers.mixer import Mixer


class SpatialReductionAttention(Mixer):
    """Attention of every place to a map reduced by a convolution.

    The reducing kernel is as large as its stride, so kernels of different reductions are no crops of
    one another: give each reduction a site of its own, or use `PooledReductionAttention`.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        reduction: Reduction

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, heads, head_width = spec.in_shape[0], self.attrs.heads, self.attrs.head_width
        self.q = ToHeads(1, width, heads, head_width)
        self.kv = ToHeads(2, width, heads, head_width)
        self.proj = FromHeads(width, heads, head_width)
        self.make_reduction(width, self.attrs.reduction)

    def make_reduction(self, width: int, reduction: int) -> None:
        if reduction > 1:
            self.reduce = nn.Conv2d(width, width, reduction, stride=reduction)
            self.reduced_norm = nn.LayerNorm(width, eps=1e-5)

    def reduced(self, x_BHWD: Tensor) -> Tensor:
        """(B, H, W, D) -> (B, H/r * W/r, D)."""
        if self.attrs.reduction == 1:
            return x_BHWD.flatten(1, 2)
        y: Tensor = self.reduced_norm(self.reduce(x_BHWD.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return y.flatten(1, 2)

    def mix(self, x_BHWD: Tensor) -> Tensor:
        (q_BNTE,) = self.q(x_BHWD.flatten(1, 2))
        k_BNSE, v_BNSE = self.kv(self.reduced(x_BHWD))
        y_BTD: Tensor = self.proj(F.scaled_dot_product_attention(q_BNTE, k_BNSE, v_BNSE))
        return y_BTD.reshape(x_BHWD.shape)


class PooledReductionAttention(SpatialReductionAttention):
    """The linear form of PVT v2: average pooling, a 1x1 convolution, norm and GELU give the smaller map.

    All reductions share their weights. PVT v2 pools to 7x7 whatever the map; here the reduction
    says how much, so that pooling always divides.
    """

    def make_reduction(self, width: int, reduction: int) -> None:
        self.reduce = nn.Conv2d(width, width, 1)
        self.reduced_norm = nn.LayerNorm(width, eps=1e-5)

    def reduced(self, x_BHWD: Tensor) -> Tensor:
        pooled_BDHW = F.avg_pool2d(x_BHWD.permute(0, 3, 1, 2), self.attrs.reduction)
        y = self.reduced_norm(self.reduce(pooled_BDHW).permute(0, 2, 3, 1))
        return F.gelu(y).flatten(1, 2)
