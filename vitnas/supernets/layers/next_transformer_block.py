"""Next-ViT's transformer block: attention on three quarters of the output, convolution on the last."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Hidden, Reduction
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer, init_weight
from vitnas.supernets.layers.next_conv_block import HEAD_WIDTH, ConvHeads, NormedConvFFN

# Shape suffixes: B batch, T tokens, C channels, H heads, E head width.

LOW, HIGH = 3 * HEAD_WIDTH, HEAD_WIDTH  # of every 128 output channels: attention's and convolution's


class ReducedAttention(nn.Module):
    """Softmax attention whose keys and values are means of ``strip`` consecutive tokens in raster order.

    Strips of a row, not squares of the map: so Next-ViT does it.
    """

    def __init__(self, width: int, strip: int) -> None:
        super().__init__()
        heads = width // HEAD_WIDTH
        self.strip = strip
        self.query = nn.Parameter(torch.empty(heads, HEAD_WIDTH, width))
        self.query_bias = nn.Parameter(torch.zeros(heads, HEAD_WIDTH))
        self.key_value = nn.Parameter(torch.empty(2, heads, HEAD_WIDTH, width))
        self.key_value_bias = nn.Parameter(torch.zeros(2, heads, HEAD_WIDTH))
        self.proj = nn.Parameter(torch.empty(width, heads, HEAD_WIDTH))
        self.proj_bias = nn.Parameter(torch.zeros(width))
        self.norm = nn.BatchNorm1d(width) if strip > 1 else None
        for weight in (self.query, self.key_value, self.proj):
            init_weight(weight, width)

    def forward(self, x_BCT: Tensor) -> Tensor:
        width, tokens = x_BCT.shape[1:]
        heads = width // HEAD_WIDTH
        few_BCT = x_BCT
        if self.norm is not None:
            few_BCT = self.norm(F.avg_pool1d(x_BCT, self.strip, self.strip))
        query = F.linear(x_BCT.transpose(1, 2), self.query.flatten(0, 1), self.query_bias.flatten())
        key_value = F.linear(few_BCT.transpose(1, 2), self.key_value.flatten(0, 2), self.key_value_bias.flatten())
        q_BHTE = query.reshape(-1, tokens, heads, HEAD_WIDTH).transpose(1, 2)
        pairs = key_value.reshape(-1, few_BCT.shape[-1], 2, heads, HEAD_WIDTH)
        k_BHTE, v_BHTE = pairs.permute(2, 0, 3, 1, 4).unbind(0)
        y_BTC = F.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE).transpose(1, 2).reshape(-1, tokens, width)
        return F.linear(y_BTC, self.proj.flatten(1), self.proj_bias).transpose(1, 2)


class NextTransformerBlock(Layer):
    """(C, H, W) -> (4C/3, H, W): y = x + attention(x), z = z' + heads(z') with z' from y, then an FFN over both.

    Of every 128 output channels, the first 96 come from the attention and the last 32 from the convolution, so that
    the first channels of a wider block are a narrower block, and no channel changes its branch. C is a multiple of 96.
    ``reduction`` r makes keys and values r * r times fewer.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        reduction: Reduction

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        low, width = spec.in_shape[0], spec.out_shape[0]
        self.norm = nn.BatchNorm2d(low)
        self.attention = ReducedAttention(low, self.attrs.reduction**2)
        self.narrowing = ConvNorm(low, width - low, bias=False)
        self.heads = ConvHeads(width - low)
        self.ffn = NormedConvFFN(width, self.attrs.hidden)

    def forward(self, x: Tensor) -> Tensor:
        low, height, breadth = self.spec.in_shape
        width = self.spec.out_shape[0]
        x = x + self.attention(self.norm(x).flatten(2)).reshape(-1, low, height, breadth)
        high = self.narrowing(x)
        high = high + self.heads(high)
        parts = [
            part.reshape(-1, width // (LOW + HIGH), size, height * breadth) for part, size in ((x, LOW), (high, HIGH))
        ]
        x = torch.cat(parts, dim=2).reshape(-1, width, height, breadth)
        y: Tensor = x + self.ffn(x)
        return y
