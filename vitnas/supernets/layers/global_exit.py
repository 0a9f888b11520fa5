"""Global exit (after LGViT): pooled patches look at one another before they are averaged and answered for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Heads, HeadWidth, Reduction
from vitnas.supernets.layers.layer import init_weight
from vitnas.supernets.layers.local_exit import ExitHead

# Shape suffixes: B batch, S pooled patches, H heads, E head width, D width.


class GlobalExit(ExitHead):
    """mean(y + proj(softmax(q k^T / sqrt(E)) v)) + class token -> (classes), where y are means of windows of patches."""

    @dataclass(frozen=True)
    class Attrs(ExitHead.Attrs):
        heads: Heads = 1
        head_width: HeadWidth = 32
        stride: Reduction = 1

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, heads, head_width = self.width, self.attrs.heads, self.attrs.head_width
        self.qkv_weight = nn.Parameter(init_weight(torch.empty(3, heads, head_width, width), width))
        self.qkv_bias = nn.Parameter(torch.zeros(3, heads, head_width))
        self.proj_weight = nn.Parameter(init_weight(torch.empty(width, heads, head_width), heads * head_width))
        self.proj_bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        patches, class_token = self.patches(x)
        if self.attrs.stride > 1:
            patches = F.avg_pool2d(patches, self.attrs.stride)
        y_BSD = patches.flatten(2).transpose(1, 2)
        qkv = F.linear(y_BSD, self.qkv_weight.flatten(0, 2), self.qkv_bias.flatten())
        split = qkv.reshape(-1, y_BSD.shape[1], 3, self.attrs.heads, self.attrs.head_width)
        q_BHSE, k_BHSE, v_BHSE = split.permute(2, 0, 3, 1, 4).unbind(0)
        read_BSHE = F.scaled_dot_product_attention(q_BHSE, k_BHSE, v_BHSE).transpose(1, 2)
        added_BSD = F.linear(read_BSHE.flatten(2), self.proj_weight.flatten(1), self.proj_bias)
        return self.answer((y_BSD + added_BSD).mean(dim=1), class_token)
