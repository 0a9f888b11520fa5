"""Rounding: the numbers that a precision has, and those of them that weights and activations become.

Integers are those that runtimes execute: activations of one scale a tensor with a whole zero point, weights of one scale a row,
the same on both sides of zero and with zero among them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces.precision import BLOCK, FLOAT, Precision
from vitnas.supernets.quantisers.codebook import Codebook

SHARES = tuple(1.0 - 0.05 * i for i in range(13))
"""Of the largest weight of a row: which scales are tried, from that which cuts nothing off."""

_NEAREST_TO_NOTHING = 2.0**-100
"""The smallest scale, of a row of zeros."""


def largest_code(bits: int) -> int:
    """Of weights, whose codes are as many below zero as above."""
    return int(2 ** (bits - 1)) - 1


def rounded_weight(weight: Tensor, precision: Precision, step: Tensor | None = None) -> Tensor:
    """What a weight (out, ...) becomes; a float one is given back as it is.

    Args:
        weight: to be rounded.
        precision: to what.
        step: as `weight_step` gives it; by default that of this weight.
    """
    if precision == FLOAT:
        return weight
    if precision.palette:
        return Codebook.fit(weight, precision.weight_bits)(weight)
    return to_steps(weight, weight_step(weight, precision) if step is None else step, precision.weight_bits)


def to_steps(weight: Tensor, step: Tensor, bits: int) -> Tensor:
    """The nearest multiples of a step; gradients pass through where nothing is cut off.

    Args:
        weight: (out, ...).
        step: (out, blocks), one for each block of a row.
        bits: of a code.
    """
    most = largest_code(bits)
    each = step.repeat_interleave(BLOCK, dim=1)[:, : weight[0].numel()] if step.shape[1] > 1 else step
    codes = (weight.flatten(1) / each).clamp(-most, most)
    return ((codes + (codes.round() - codes).detach()) * each).view_as(weight)


@torch.no_grad()
def weight_step(weight: Tensor, precision: Precision) -> Tensor:
    """(out, blocks): the steps of a weight's rows, or of the blocks of `BLOCK` inputs that they are divided into.

    Of some shares of the largest number, each takes the one that leaves the least squared error.
    """
    rows = weight.flatten(1)
    size = rows.shape[1]
    block = min(precision.block or size, size) if weight.ndim == 2 else size
    blocks = F.pad(rows, (0, -size % block)).reshape(-1, block)
    largest = blocks.abs().amax(dim=1, keepdim=True) / largest_code(precision.weight_bits)
    best = largest.clamp(min=_NEAREST_TO_NOTHING)
    least = _error(blocks, best, precision.weight_bits)
    for share in SHARES[1:]:
        step = (share * largest).clamp(min=_NEAREST_TO_NOTHING)
        error = _error(blocks, step, precision.weight_bits)
        best, least = torch.where(error < least, step, best), torch.minimum(error, least)
    return best.reshape(len(rows), -1)


def _error(rows: Tensor, step: Tensor, bits: int) -> Tensor:
    return (to_steps(rows, step, bits) - rows).square().sum(dim=1, keepdim=True)


def step_and_zero(low: float, high: float, bits: int) -> tuple[float, int]:
    """The scale and the whole zero point of codes from 0 to ``2 ** bits - 1`` that reach from `low` to `high`, with zero among them."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / (2**bits - 1), _NEAREST_TO_NOTHING)
    return scale, min(max(round(-low / scale), 0), 2**bits - 1)


def rounded_activation(x: Tensor, scale: float, zero: int, bits: int) -> Tensor:
    """What activations become; gradients pass through where nothing is cut off."""
    found: Tensor = torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 2**bits - 1)
    return found
