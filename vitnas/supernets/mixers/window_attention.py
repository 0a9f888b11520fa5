"""Window attention (Swin): softmax attention inside square windows, shifted in every other block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth, Window
from vitnas.supernets.mixers.heads import FromHeads, ToHeads
from vitnas.supernets.mixers.mixer import Mixer, small
from vitnas.supernets.mixers.windows import cyclic_shift, from_windows, offset_index, pair_bias, shift_mask, to_windows


class WindowAttention(Mixer):
    """Attention inside windows with a learned bias of the offset.

    With `shift`, the map moves by half a window before and back after, and pairs which only that
    brought together stay hidden. The window must divide the map: padding would be attended to.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        window: Window
        shift: Annotated[bool, about("whether the windows lie half a window further down and across")]

    attrs: Attrs

    norm_eps: ClassVar[float] = 1e-5
    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"offset_bias": (1, 2)}

    offsets: Tensor
    mask: Tensor

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        (width, *map_shape), heads, head_width = spec.in_shape, self.attrs.heads, self.attrs.head_width
        window = self.attrs.window
        self.qkv = ToHeads(3, width, heads, head_width)
        self.proj = FromHeads(width, heads, head_width)
        self.offset_bias = small(heads, 2 * window - 1, 2 * window - 1)
        self.constant("offsets", offset_index(window, window))
        if self.attrs.shift:
            self.constant("mask", shift_mask((map_shape[0], map_shape[1]), window))

    def mix(self, x_BHWD: Tensor) -> Tensor:
        window, heads, steps = self.attrs.window, self.attrs.heads, self.attrs.window // 2
        if self.attrs.shift:
            x_BHWD = cyclic_shift(cyclic_shift(x_BHWD, -steps, 1), -steps, 2)
        q, k, v = self.qkv(to_windows(x_BHWD, window, window))
        bias = pair_bias(self.offset_bias, self.offsets)
        if self.attrs.shift:
            # Windows join the heads: (B, windows * N, T, E), each with a bias and mask of its own.
            bias = (self.mask[:, None] + bias).flatten(0, 1)
        q, k, v = (part.reshape(-1, bias.shape[0], *part.shape[2:]) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        y = self.proj(y.reshape(-1, heads, *y.shape[2:]))
        y_BHWD = from_windows(y, window, window, (x_BHWD.shape[1], x_BHWD.shape[2]))
        if self.attrs.shift:
            y_BHWD = cyclic_shift(cyclic_shift(y_BHWD, steps, 1), steps, 2)
        return y_BHWD
