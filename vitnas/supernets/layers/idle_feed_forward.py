"""Idle feed-forward: an FFN some of whose channels bypass the activation, so that their two weights become one (RePaViT)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.settings import Natural, about
from vitnas.supernets.layers.attributes import Attributes, Hidden
from vitnas.supernets.layers.conv_norm import scale_and_shift
from vitnas.supernets.layers.layer import Layer, init_weight


class IdleFeedForward(Layer):
    """x + W2 norm(act(W1 norm(x))), from (T, width) to (T, width); the channels after the first ``active`` idle: they take no GELU.

    Both norms are of the batch. In evaluation they are part of the weights, and what the idle channels do is one product
    from width to width: MACs, latency and exported graphs are those of that form. Parameters are counted as they are trained.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        hidden: Hidden
        active: Annotated[Natural, about("hidden channels that take the GELU; the others idle")]

        def __post_init__(self) -> None:
            if self.active > self.hidden:
                raise SpaceError(
                    f"layer kind 'idle_feed_forward': of {self.hidden} hidden channels {self.active} cannot be active; "
                    "choose active between 0 and hidden"
                )

    attrs: Attrs

    residual: ClassVar[bool] = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, hidden = spec.in_shape[-1], self.attrs.hidden
        self.norm = nn.BatchNorm1d(width)
        self.expand = nn.Linear(width, hidden)
        self.norm_hidden = nn.BatchNorm1d(hidden)
        self.reduce = nn.Linear(hidden, width)
        for linear in (self.expand, self.reduce):
            init_weight(linear.weight, linear.in_features)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        # Statistics may be measured while the rest is in evaluation mode.
        return x + (self.branch(x) if self.norm.training else self.folded()(x))

    def branch(self, x: Tensor) -> Tensor:
        """What is added to x, as it is trained."""
        hidden = self.expand(self.norm(x.flatten(0, 1)))
        active, idle = hidden.tensor_split([self.attrs.active], dim=1)
        y: Tensor = self.reduce(self.norm_hidden(torch.cat([F.gelu(active), idle], dim=1)))
        return y.reshape(x.shape)

    def folded(self) -> Folded:
        """The weights that norms and idle channels come to with the statistics that are held."""
        (scale, shift), (scale_hidden, shift_hidden) = scale_and_shift(self.norm), scale_and_shift(self.norm_hidden)
        first, second = self.expand.weight * scale, self.reduce.weight * scale_hidden
        first_bias = self.expand.bias + self.expand.weight @ shift
        second_bias = self.reduce.bias + self.reduce.weight @ shift_hidden
        active = self.attrs.active
        direct, direct_bias = second[:, active:] @ first[active:], second[:, active:] @ first_bias[active:]
        return Folded(first[:active], first_bias[:active], second[:, :active], direct, second_bias + direct_bias)

    def deployed(self) -> nn.Module:
        return _Deployed(self)


class Folded(NamedTuple):
    """direct x + reduce gelu(expand x + expand_bias) + bias."""

    expand: Tensor
    expand_bias: Tensor
    reduce: Tensor
    direct: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.direct, self.bias)
        return y + F.linear(F.gelu(F.linear(x, self.expand, self.expand_bias)), self.reduce) if len(self.expand) else y


class _Deployed(nn.Module):
    """The layer with its weights folded once."""

    def __init__(self, layer: IdleFeedForward) -> None:
        super().__init__()
        with torch.no_grad():
            for name, tensor in layer.folded()._asdict().items():
                self.register_buffer(name, tensor)

    def forward(self, x: Tensor) -> Tensor:
        return x + Folded(*(getattr(self, name) for name in Folded._fields))(x)
