"""ConvNeXt block: a depthwise convolution and an FFN in one residual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes, Hidden, OddKernel
from vitnas.supernets.layers.layer import Layer, init_weight


class ConvNeXtBlock(Layer):
    """x + scale * W2 gelu(W1 norm(depthwise(x))), from (D, H, W) to (D, H, W)."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernel: OddKernel
        hidden: Hidden

    attrs: Attrs

    residual: ClassVar[bool] = True

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"depthwise.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, hidden, kernel = spec.in_shape[0], self.attrs.hidden, self.attrs.kernel
        self.depthwise = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, hidden)
        self.reduce = nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), 1e-6))
        for part in (self.depthwise, self.expand, self.reduce):
            init_weight(part.weight, part.weight[0].numel())
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]

    def forward(self, x_BDHW: Tensor) -> Tensor:
        y_BHWD: Tensor = self.norm(self.depthwise(x_BDHW).permute(0, 2, 3, 1))
        y_BHWD = self.scale * self.reduce(F.gelu(self.expand(y_BHWD)))
        return x_BDHW + y_BHWD.permute(0, 3, 1, 2)
