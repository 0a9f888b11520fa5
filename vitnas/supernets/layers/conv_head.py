"""Convolution head: widens a map before it is averaged, then two linear layers (MobileNetV3's)."""

from __future__ import annotations

from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.conv_norm import ConvNorm
from vitnas.supernets.layers.layer import Layer


class ConvHead(Layer):
    """(C, H, W) -> (classes): act(norm(1x1 to ``hidden``)), mean, act(linear to ``features``), linear.

    ``bias`` puts biases on all but the last linear layer, which always has one.
    """

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.widen = ConvNorm(spec.in_shape[0], spec["hidden"], bias=spec["bias"])
        self.mix = nn.Linear(spec["hidden"], spec["features"], bias=spec["bias"])
        self.linear = nn.Linear(spec["features"], spec.out_shape[0])
        nn.init.kaiming_normal_(self.mix.weight, mode="fan_out")
        nn.init.trunc_normal_(self.linear.weight, std=0.02)
        for linear in (self.mix, self.linear):
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.spec["act"]]
        pooled = activate(self.widen(x)).mean(dim=(2, 3))
        logits: Tensor = self.linear(activate(self.mix(pooled)))
        return logits
