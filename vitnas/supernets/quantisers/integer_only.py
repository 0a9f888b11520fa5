"""Softmax, GELU and LayerNorm with whole numbers alone (I-ViT, and I-Segmenter after it).

They take the place of functions instead of quantising a tensor. A number is a whole number times a scale; products by constants are
sums of shifts. All of it is whole numbers of 64 bits here, where the released code computes in floats of 24; shares are whole quotients
and no products with a reciprocal.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.quantisers.quantiser import SHARES
from vitnas.supernets.quantisers.uniform import UniformQuantiser

WHOLE = 2**31 - 1
STEPS = 128
"""Into which a share of 1 is divided: 8 bits with their sign."""
SHIFTS_OF_SOFTMAX, SHIFTS_OF_GELU = 15, 23
NEWTON_STEPS, FIRST_ROOT = 10, 2**16


def exponential(x: Tensor, unit: int, shifts: int) -> Tensor:
    """``exp(x / unit) * unit * 2 ** shifts`` or so, for x of at most 0.

    Powers of e become powers of two by ``x + x / 2 - x / 16``; between powers of two the function is a line.
    """
    x = (x + (x >> 1) - (x >> 4)).clamp(min=-shifts * unit)
    octaves = -x // unit
    within = x + octaves * unit  # from -unit, excluded, to 0
    power: Tensor = ((within >> 1) + unit) << (shifts - octaves)
    return power


def share(part: Tensor, total: Tensor) -> Tensor:
    """``part / total`` in steps of 1 / 128."""
    return part * STEPS // total


def integer_softmax(codes: Tensor, scale: float) -> Tensor:
    """Over the last axis, in steps of 1 / 128."""
    unit = _unit(scale)
    powers = exponential(codes - codes.amax(dim=-1, keepdim=True), unit, SHIFTS_OF_SOFTMAX)
    return share(powers, powers.sum(dim=-1, keepdim=True)).float() / STEPS


def integer_gelu(codes: Tensor, scale: float) -> Tensor:
    """``x * sigmoid(1.702 x)``, the sigmoid in steps of 1 / 128."""
    unit = _unit(scale)
    slope = codes + (codes >> 1) + (codes >> 3) + (codes >> 4)  # 1.6875 x
    # Both powers of the quotient are taken below the larger one, so that neither exceeds 1.
    most = slope.clamp(min=0)
    of_x, of_zero = (exponential(value - most, unit, SHIFTS_OF_GELU) for value in (slope, torch.zeros_like(slope)))
    return (codes * share(of_x, of_x + of_zero)).float() * (scale / STEPS)


def integer_layer_norm(codes: Tensor, scale: float) -> Tensor:
    """Centred and of norm ``sqrt(n)`` over the last axis of n; gains and biases follow in float, as products absorb them.

    The released code divides biases by gains, which explodes where a gain is near 0.
    """
    size = codes.shape[-1]
    centred = codes - torch.round(codes.double().mean(dim=-1, keepdim=True)).long()
    root = whole_root((centred * centred).sum(dim=-1, keepdim=True)).clamp(min=1)
    return ((centred * (WHOLE // root)) >> 1).float() * (math.sqrt(size) / 2**30)


def whole_root(square: Tensor) -> Tensor:
    """The whole part of the square root, or one more, by Newton's steps from 2^16."""
    root = torch.full_like(square, FIRST_ROOT)
    for _ in range(NEWTON_STEPS):
        root = (root + square // root) >> 1
        root = root.clamp(min=1)
    return root


def _unit(scale: float) -> int:
    """How many steps are 1: at least one, and few enough for sums to have 64 bits."""
    return max(1, int(min(1 / scale, 2**24)))


INTEGER_FUNCTIONS: dict[str, tuple[Callable[[Tensor, float], Tensor], int]] = {
    "softmax": (integer_softmax, 8),
    "gelu": (integer_gelu, 8),
    "layer_norm": (integer_layer_norm, 16),
}
"""What takes the place of a function, and the bits of what goes in."""


def cut_tail(values: Tensor, bits: int) -> UniformQuantiser:
    """The steps of what a GELU takes, whose range is cut where its answers lose least.

    I-Segmenter has a parameter for a long tail; no code was found, and this is our reading of it.
    """
    largest = float(values.abs().max())
    cut = [values.clamp(-share * largest, share * largest) for share in SHARES]
    steps = [UniformQuantiser.fit(one, bits, symmetric=True, clip=False) for one in cut]
    expected = F.gelu(values)
    return min(steps, key=lambda one: float((in_integers("gelu", values, one) - expected).square().mean()))


def in_integers(name: str, x: Tensor, quantiser: UniformQuantiser) -> Tensor:
    """A function of what a symmetric quantiser makes of x, over the last axis."""
    function, _ = INTEGER_FUNCTIONS[name]
    codes = (quantiser.encode(x) - quantiser.zero_point).long()
    return function(codes, float(quantiser.scale)).to(x.dtype)
