"""Feed-forward with a depthwise convolution in its middle (PVT v2, LITv2), on a residual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attributes import Attributes, Hidden, OddKernel
from vitnas.supernets.layers.layer import Layer, init_weight


class ConvFeedForward(Layer):
    """x + W2 gelu(depthwise(W1 norm(x))), from (D, H, W) to (D, H, W).

    With ``rectified``, a ReLU stands before the depthwise convolution, as in the linear form of PVT v2.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        kernel: OddKernel
        rectified: Annotated[bool, about("whether a ReLU stands before the depthwise convolution")]

    attrs: Attrs

    residual: ClassVar[bool] = True

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"depthwise.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, hidden, kernel = spec.in_shape[0], self.attrs.hidden, self.attrs.kernel
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden)
        self.reduce = nn.Linear(hidden, width)
        for linear in (self.expand, self.reduce):
            init_weight(linear.weight, linear.in_features)
            nn.init.zeros_(linear.bias)
        nn.init.normal_(self.depthwise.weight, std=(2.0 / kernel**2) ** 0.5)
        nn.init.zeros_(self.depthwise.bias)  # type: ignore[arg-type]

    def forward(self, x_BDHW: Tensor) -> Tensor:
        y_BHWD: Tensor = self.expand(self.norm(x_BDHW.permute(0, 2, 3, 1)))
        if self.attrs.rectified:
            y_BHWD = F.relu(y_BHWD)
        y_BDHW = self.depthwise(y_BHWD.permute(0, 3, 1, 2))
        y_BHWD = self.reduce(F.gelu(y_BDHW.permute(0, 2, 3, 1)))
        return x_BDHW + y_BHWD.permute(0, 3, 1, 2)
