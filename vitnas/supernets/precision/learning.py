"""Learning at a precision: a layer whose products are rounded in every step, and whose weights learn nevertheless.

Rounding passes gradients on where it cuts nothing off (straight-through). Scales are those that calibration would choose for the
weights and the activations of the step; when training is over, ranges are measured on the trained network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.supernets.precision.products import Handler, ProductCall, run_layer
from vitnas.supernets.precision.ranges import Histogram
from vitnas.supernets.precision.rounding import (
    rounded_activation,
    rounded_weight,
    step_and_zero,
    to_steps,
    weight_step,
)


def at_precision(layer: nn.Module, precision: Precision) -> nn.Module:
    """The layer, computed at a precision; itself where that is float."""
    return layer if precision == FLOAT else RoundedInTraining(layer, precision)


class RoundedInTraining(nn.Module):
    """A layer whose products are rounded as they come.

    Attributes:
        layer: as it is in float.
        precision: of its products.
    """

    def __init__(self, layer: nn.Module, precision: Precision) -> None:
        super().__init__()
        self.layer, self.precision = layer, precision

    def forward(self, x: Tensor) -> Tensor:
        return run_layer(self.layer, x, _StraightThrough(self.precision))


class _StraightThrough(Handler):
    def __init__(self, precision: Precision) -> None:
        self.precision = precision

    def product(self, call: ProductCall) -> Tensor:
        precision, x, weight = self.precision, call.input, call.weight
        with torch.no_grad():
            step = None if precision.palette else weight_step(weight, precision)
            off = rounded_weight(weight, precision) - weight if step is None else None
            bits = precision.activation_bits
            rounds = precision.integer and bool(x.isfinite().all())  # else the step is of no use, and is left out
            codes = step_and_zero(*Histogram.of(x).ends(bits), bits) if rounds else None
        if codes is not None:
            x = rounded_activation(x, *codes, bits)
        if off is not None:
            return call.answer(x, weight + off, call.bias)
        assert step is not None
        return call.answer(x, to_steps(weight, step, precision.weight_bits), call.bias)
