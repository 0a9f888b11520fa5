"""Global-query attention (GC ViT): in every window the same queries, made from the whole map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Natural, about
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth, Window
from vitnas.supernets.mixers.heads import FromHeads, ToHeads
from vitnas.supernets.mixers.mixer import Mixer, depthwise, small
from vitnas.supernets.mixers.windows import from_windows, offset_index, pair_bias, to_windows


class GlobalQueryAttention(Mixer):
    """Window attention with queries of the whole map; heads make up the width, the map is window * 2^halvings.

    GC ViT makes the queries once a stage from the stage's input and hands them to every second
    block. Here each layer makes them from its own normalised input, so that layers remain a
    chain; it costs the feature blocks in every layer and spares the side channel.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        window: Window
        halvings: Annotated[Natural, about("how often the map is halved to be as large as a window")]

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"offset_bias": (1, 2)}

    offsets: Tensor

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, heads, head_width = spec.in_shape[0], self.attrs.heads, self.attrs.head_width
        window = self.attrs.window
        self.features = nn.ModuleList(FeatureBlock(width) for _ in range(max(1, self.attrs.halvings)))
        self.kv = ToHeads(2, width, heads, head_width)
        self.proj = FromHeads(width, heads, head_width)
        self.offset_bias = small(heads, 2 * window - 1, 2 * window - 1)
        self.constant("offsets", offset_index(window, window))

    def mix(self, x_BHWD: Tensor) -> Tensor:
        window, heads, head_width = self.attrs.window, self.attrs.heads, self.attrs.head_width
        tokens = window * window
        q_BDHW = x_BHWD.permute(0, 3, 1, 2)
        for i, block in enumerate(self.features):
            q_BDHW = block(q_BDHW)
            if i < self.attrs.halvings:
                q_BDHW = F.max_pool2d(q_BDHW, 3, 2, 1)
        # One query for all windows of an image: (B, 1, N, T, E) against (B, windows, N, T, E).
        q = q_BDHW.reshape(-1, 1, heads, head_width, tokens).transpose(-2, -1) * head_width**-0.5
        k, v = self.kv(to_windows(x_BHWD, window, window))
        windows = (x_BHWD.shape[1] // window) * (x_BHWD.shape[2] // window)
        k, v = (part.reshape(-1, windows, heads, tokens, head_width) for part in (k, v))
        bias = pair_bias(self.offset_bias, self.offsets)
        y = (q @ k.transpose(-2, -1) + bias).softmax(dim=-1) @ v
        y = self.proj(y.flatten(0, 1))
        return from_windows(y, window, window, (x_BHWD.shape[1], x_BHWD.shape[2]))


class FeatureBlock(nn.Module):
    """x + [depthwise 3x3, GELU, channel gate, 1x1] of x, without biases."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = depthwise(width, 3, bias=False)
        self.squeeze = nn.Conv2d(width, width // 4, 1, bias=False)
        self.excite = nn.Conv2d(width // 4, width, 1, bias=False)
        self.across = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.near(x))
        y = y * self.excite(F.gelu(self.squeeze(y.mean(dim=(2, 3), keepdim=True)))).sigmoid()
        featured: Tensor = x + self.across(y)
        return featured
