"""Value-convolution attention: LeViT's kin with wide values, as in ElasticViT and NASViT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes, Heads, HeadWidth, ValueWidth
from vitnas.supernets.layers.layer import Layer
from vitnas.supernets.layers.residual_scale import ResidualScale

# Shape suffixes: B batch, T tokens, H heads, E head width, V value width of a head, D width.


class ValueConvAttention(Layer):
    """x + s proj(act(softmax(q k^T / sqrt(E) + bias) depthwise(v))), from (D, H, W) to (D, H, W).

    The values pass a depthwise 3x3 convolution. The bias is a table over the offsets of two tokens, down and across;
    a smaller map uses its middle. The norm is over the channels of each token: the released ElasticViT and NASViT
    normalise over tokens and channels together, with as many parameters.
    A narrower value is the first part of a wider one. The activation stands before the projection; ``rescale`` is
    explained at `ResidualScale`.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        value_width: ValueWidth
        qkv_bias: Annotated[bool, about("biases on queries, keys and values")]
        talking: Annotated[bool, about("whether 1x1 convolutions mix the heads before and after the softmax")]
        act: Activation
        rescale: Annotated[bool, about("whether a scale on the residual is learned")]

    attrs: Attrs

    residual: ClassVar[bool] = True

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"offset_bias": (1, 2)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, height, breadth = spec.in_shape
        heads, head_width, value_width = self.attrs.heads, self.attrs.head_width, self.attrs.value_width
        self.norm = nn.LayerNorm(width)
        self.query_key = nn.Parameter(torch.empty(2, heads, head_width, width))
        self.value = nn.Parameter(torch.empty(heads, value_width, width))
        self.depthwise = nn.Parameter(torch.empty(heads, value_width, 3, 3))
        self.offset_bias = nn.Parameter(torch.empty(heads, 2 * height - 1, 2 * breadth - 1))
        self.proj = nn.Parameter(torch.empty(width, heads, value_width))
        self.proj_bias = nn.Parameter(torch.zeros(width))
        biased = self.attrs.qkv_bias
        self.query_key_bias = nn.Parameter(torch.zeros(2, heads, head_width)) if biased else None
        self.value_bias = nn.Parameter(torch.zeros(heads, value_width)) if biased else None
        self.talk_before = nn.Conv2d(heads, heads, 1) if self.attrs.talking else None
        self.talk_after = nn.Conv2d(heads, heads, 1) if self.attrs.talking else None
        self.rescale = ResidualScale(width) if self.attrs.rescale else None
        self.constant("offsets", _offsets(height, breadth))
        for weight in (self.query_key, self.value, self.offset_bias, self.proj):
            nn.init.trunc_normal_(weight, std=0.02)
        nn.init.normal_(self.depthwise, std=1 / 3)

    def forward(self, x: Tensor) -> Tensor:
        spec = self.spec
        _, height, breadth = spec.in_shape
        heads, head_width, value_width = self.attrs.heads, self.attrs.head_width, self.attrs.value_width
        tokens = height * breadth
        normed_BTD = self.norm(x.flatten(2).transpose(1, 2))
        query_key_bias = None if self.query_key_bias is None else self.query_key_bias.flatten()
        value_bias = None if self.value_bias is None else self.value_bias.flatten()
        query_key = F.linear(normed_BTD, self.query_key.flatten(0, 2), query_key_bias)
        q_BHTE, k_BHTE = query_key.reshape(-1, tokens, 2, heads, head_width).permute(2, 0, 3, 1, 4).unbind(0)
        value = F.linear(normed_BTD, self.value.flatten(0, 1), value_bias).transpose(1, 2)
        value = value.reshape(-1, heads * value_width, height, breadth)
        kernels = self.depthwise.flatten(0, 1).unsqueeze(1)
        value = F.conv2d(value, kernels, padding=1, groups=heads * value_width)
        v_BHTV = value.reshape(-1, heads, value_width, tokens).transpose(2, 3)

        bias_HTT = self.offset_bias.flatten(1)[:, self.offsets]  # type: ignore[index]
        scores_BHTT: Tensor = (q_BHTE * head_width**-0.5) @ k_BHTE.transpose(-2, -1) + bias_HTT
        if self.talk_before is not None:
            scores_BHTT = self.talk_before(scores_BHTT)
        share_BHTT = scores_BHTT.softmax(dim=-1)
        if self.talk_after is not None:
            share_BHTT = self.talk_after(share_BHTT)
        y = (share_BHTT @ v_BHTV).transpose(1, 2).reshape(-1, tokens, heads * value_width)
        y = F.linear(ACTIVATIONS[self.attrs.act](y), self.proj.flatten(1), self.proj_bias)
        if self.rescale is not None:
            y = self.rescale(y)
        return x + y.transpose(1, 2).reshape(x.shape)


def _offsets(height: int, breadth: int) -> NDArray[np.int64]:
    """(T, T): the entry of the flattened (2H - 1, 2W - 1) table for each pair of tokens."""
    rows, columns = (a.ravel() for a in np.indices((height, breadth)))
    down = rows[:, None] - rows[None, :] + height - 1
    across = columns[:, None] - columns[None, :] + breadth - 1
    found: NDArray[np.int64] = down * (2 * breadth - 1) + across
    return found
