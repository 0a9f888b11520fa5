"""Retention (RetNet, ViR): products of queries and keys fade with distance, without a softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attributes import Attributes, Heads, HeadWidth
from vitnas.supernets.mixers.heads import FromHeads, ToHeads
from vitnas.supernets.mixers.mixer import Mixer


class Retention(Mixer):
    """proj(swish(gate x) * norm((q k^T * decay) v)), in parallel form.

    Head i keeps 1 - 2^(-5 - i) of a product for each step of distance. With `causal`, distance runs
    along the rows as a text is read, and no place sees a later one; without, it is the sum of the vertical
    and horizontal offsets (RMT's decay), which has no direction. The norm is over the channels of a
    head and has no weights. The rotation of queries and keys (xPos) is left out: the decay is the position.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        heads: Heads
        head_width: HeadWidth
        causal: Annotated[bool, about("whether no place sees a later one")]

    attrs: Attrs

    decay: Tensor

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        (width, height, breadth), heads, head_width = spec.in_shape, self.attrs.heads, self.attrs.head_width
        self.qkv = ToHeads(3, width, heads, head_width)
        self.gate = ToHeads(1, width, heads, head_width)
        self.proj = FromHeads(width, heads, head_width)
        y, x = (axis.ravel() for axis in np.mgrid[:height, :breadth])
        place = np.arange(height * breadth)
        if self.attrs.causal:
            distance = (place[:, None] - place[None]).astype(np.float64)
            distance[distance < 0] = np.inf  # later places: a decay of 0
        else:
            distance = (np.abs(y[:, None] - y[None]) + np.abs(x[:, None] - x[None])).astype(np.float64)
        keep = 1 - 2.0 ** (-5 - np.arange(heads))
        self.constant("decay", (keep[:, None, None] ** distance).astype(np.float32))

    def mix(self, x_BHWD: Tensor) -> Tensor:
        x_BTD = x_BHWD.flatten(1, 2)
        q_BNTE, k_BNTE, v_BNTE = self.qkv(x_BTD)
        (gate_BNTE,) = self.gate(x_BTD)
        head_width = self.attrs.head_width
        scores_BNTT = (q_BNTE * head_width**-0.5) @ k_BNTE.transpose(-2, -1) * self.decay
        y_BNTE = F.layer_norm(scores_BNTT @ v_BNTE, (head_width,), eps=1e-5)
        y_BTD: Tensor = self.proj(F.silu(gate_BNTE) * y_BNTE)
        return y_BTD.reshape(x_BHWD.shape)
