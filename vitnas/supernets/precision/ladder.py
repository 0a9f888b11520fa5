"""The ladder: from a network in float to one at its precisions, with more work for fewer errors.

Level L0 smooths norms and chooses ranges. L1 also fits weights to rounded activations and corrects biases. L2 also lets each
layer learn its float answers. All of it is executed alike: uniform codes with whole zero points.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from vitnas.errors import SettingsError, suggest
from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.supernets.precision.operands import CallRecorder, Operands, record
from vitnas.supernets.precision.products import Place
from vitnas.supernets.precision.quantised import check_sites, quantised_layer
from vitnas.supernets.precision.ranges import Histogram, Ranges
from vitnas.supernets.precision.reconstruction import NUM_STEPS, reconstructed
from vitnas.supernets.precision.ridge import ridged
from vitnas.supernets.precision.smoothing import smoothed

Level = Literal["L0", "L1", "L2"]
LEVELS: tuple[Level, ...] = get_args(Level)

FEW = 32
"""Images by which strengths of smoothing are compared."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """A network at its precisions.

    Attributes:
        network: a chain, with a `QuantisedLayer` where a precision is not float.
        ranges: of what its products take.
        operands: what stands in for its weights, before they are rounded.
        strengths: of smoothing, for each norm that products alone read.
    """

    network: nn.Sequential
    ranges: Ranges
    operands: Operands
    strengths: Mapping[Place, float]


def ladder(
    network: nn.Module,
    precisions: Mapping[str, Precision],
    images: Tensor,
    level: Level = "L0",
    num_steps: int = NUM_STEPS,
) -> Rounded:
    """A network at its precisions, layer after layer; each sees what the layers before it answer.

    Args:
        network: a chain of layers in evaluation mode, extracted or folded; it is left as it was.
        precisions: of sites; those that are not named stay in float, the very same modules.
        images: for calibration, (N, C, H, W), normalised, every class by its share.
        level: how much work is done.
        num_steps: of learning, in each layer at level L2.
    """
    if level not in LEVELS:
        raise SettingsError(f"no level '{level}' of quantisation; {suggest(level, LEVELS)}")
    check_sites(network, precisions)
    operands, strengths = Operands(), dict[Place, float]()
    seen: dict[Place, Histogram] = {}
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    given = rounded = images
    for site, layer in network.named_children():
        precision = precisions.get(site, FLOAT)
        layers[site] = layer
        if precision != FLOAT:
            if precision.integer:
                operands, found = _smoothed(site, layer, given[:FEW], precision, operands)
                strengths |= {(site, norm): strength for norm, strength in found.items()}
            with torch.no_grad():
                calls, _ = record(site, layer, given, operands)
            seen |= _histograms(calls)
            ranges = Ranges(seen, len(images))
            if level != "L0":
                operands = ridged(site, layer, (given, rounded), precision, ranges, operands)
            if level == "L2":
                operands = reconstructed(site, layer, (given, rounded), precision, ranges, operands, num_steps)
            layers[site] = quantised_layer(layer, calls, precision, ranges, operands)
        with torch.no_grad():
            before, given = given, layer(given)
            rounded = given if rounded is before and layers[site] is layer else layers[site](rounded)
    return Rounded(nn.Sequential(layers).train(network.training), Ranges(seen, len(images)), operands, strengths)


@torch.no_grad()
def _smoothed(
    site: str, layer: nn.Module, x: Tensor, precision: Precision, operands: Operands
) -> tuple[Operands, Mapping[int, float]]:
    """The operands of a layer with its norms smoothed as is best where it alone is rounded."""
    wanted = layer(x)

    def error(changed: Operands) -> float:
        calls, _ = record(site, layer, x, changed)
        ranges = Ranges(_histograms(calls), len(x))
        return float((quantised_layer(layer, calls, precision, ranges, changed)(x) - wanted).square().mean())

    return smoothed(site, layer, x, operands, error)


def _histograms(calls: CallRecorder) -> dict[Place, Histogram]:
    return {(calls.site, call.number): Histogram.of(call.input) for call in calls.calls}
