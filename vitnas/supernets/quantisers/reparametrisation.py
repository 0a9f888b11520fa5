"""What shifted and per-channel quantisers need is absorbed by the weights beside them: nothing of it is left to compute."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vitnas.supernets.quantisers.uniform import UniformQuantiser


def bias_of_shift(weight: Tensor, shift: float) -> Tensor:
    """What a product takes away from its bias when its inputs keep the shift that they were encoded with (AdaLog).

    Args:
        weight: (out, in), as quantised.
        shift: that was added to every input.
    """
    return shift * weight.sum(dim=1)


@dataclass(frozen=True, eq=False)
class PerTensor:
    """A LayerNorm and the linear layer behind it, so that one step serves all channels between them (RepQ-ViT).

    The function is the same; the weights' channels have become more unequal, which is where the error goes.

    Attributes:
        gain: of the norm.
        offset: of the norm.
        weight: (out, in) of the linear layer, to be quantised.
        moved: how far each channel was moved; the bias gains ``weight @ moved``, of the weight as it is quantised.
        quantiser: of what lies between them.
    """

    gain: Tensor
    offset: Tensor
    weight: Tensor
    moved: Tensor
    quantiser: UniformQuantiser


def to_per_tensor(gain: Tensor, offset: Tensor, weight: Tensor, channels: UniformQuantiser) -> PerTensor:
    """Takes the steps of the channels out of what is quantised.

    The common zero point is a whole number, where released code has the mean of those of the channels, which no runtime takes.

    Args:
        gain: of the norm.
        offset: of the norm.
        weight: (out, in) of the linear layer.
        channels: a uniform quantiser with a step for each channel of the last axis.
    """
    scale, zero = channels.scale.flatten(), channels.zero_point.flatten()
    one, whole = scale.mean(), torch.round(zero.mean())
    ratio = scale / one
    moved = (whole - zero) * one
    # The norm gives x / ratio - moved, whose codes are those of x; the bias gives back what was moved.
    quantiser = UniformQuantiser(one, whole, channels.bits, channels.symmetric)
    return PerTensor(gain / ratio, offset / ratio - moved, weight * ratio, moved, quantiser)
