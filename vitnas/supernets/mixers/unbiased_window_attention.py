"""Window attention without positions (As-ViT): softmax attention inside windows that are never shifted."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth, Window
from vitnas.supernets.mixers.heads import FromHeads, ToHeads
from vitnas.supernets.mixers.mixer import Mixer
from vitnas.supernets.mixers.windows import from_windows, to_windows


class UnbiasedWindowAttention(Mixer):
    """Attention inside windows that divide the map, up to the whole map.

    No weights depend on the window, and a site may trade heads for head width at equal inner width.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        window: Window

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, heads, head_width = spec.in_shape[0], self.attrs.heads, self.attrs.head_width
        self.qkv = ToHeads(3, width, heads, head_width)
        self.proj = FromHeads(width, heads, head_width)

    def mix(self, x_BHWD: Tensor) -> Tensor:
        window = self.attrs.window
        q, k, v = self.qkv(to_windows(x_BHWD, window, window))
        y = self.proj(F.scaled_dot_product_attention(q, k, v))
        return from_windows(y, window, window, (x_BHWD.shape[1], x_BHWD.shape[2]))
