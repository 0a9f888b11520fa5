"""Sensitivity: what rounding one layer alone does to the answers of a network, and what leaving it out would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces.precision import Precision
from vitnas.supernets.precision.operands import Operands, calls_of
from vitnas.supernets.precision.quantised import quantised_layer
from vitnas.supernets.precision.ranges import Ranges

MOST_OF_IT = 1.0
"""The share of a layer's worth that rounding loses at most."""


@dataclass(frozen=True)
class LayerSensitivity:
    """What becomes of the answers, as the mean divergence (Kullback-Leibler, in nats) of the classes' shares from those in float.

    Attributes:
        rounded: name of a precision -> the divergence when the layer alone is at it.
        left_out: the divergence when a layer that adds to its input adds nothing, and another one answers nothing.
    """

    rounded: Mapping[str, float]
    left_out: float

    def share(self, precision: str) -> float:
        """How much of the layer's worth a precision loses."""
        return min(self.rounded[precision] / max(self.left_out, 1e-30), MOST_OF_IT)


@torch.no_grad()
def layer_sensitivities(
    network: nn.Module, menu: Mapping[str, Sequence[Precision]], ranges: Ranges, images: Tensor
) -> dict[str, LayerSensitivity]:
    """Rounds each layer alone, and runs those behind it.

    Args:
        network: a chain of layers in evaluation mode.
        menu: the precisions of each site that is looked at.
        ranges: of all their products.
        images: (N, C, H, W).
    """
    layers = dict(network.named_children())
    inputs: list[Tensor] = [images]
    for layer in layers.values():
        inputs.append(layer(inputs[-1]))
    behind = list(layers.values())
    calls = calls_of(network)
    found: dict[str, LayerSensitivity] = {}

    def divergence(at: int, answer: Tensor) -> float:
        for layer in behind[at + 1 :]:
            answer = layer(answer)
        return mean_divergence(inputs[-1], answer)

    for at, (site, layer) in enumerate(layers.items()):
        if site not in menu:
            continue
        rounded = {
            precision.name: divergence(
                at, quantised_layer(layer, calls[site], precision, ranges, Operands())(inputs[at])
            )
            for precision in menu[site]
        }
        residual = bool(getattr(layer, "is_residual", bool)())
        found[site] = LayerSensitivity(
            rounded, divergence(at, inputs[at] if residual else torch.zeros_like(inputs[at + 1]))
        )
    return found


def mean_divergence(logits: Tensor, others: Tensor) -> float:
    """The mean over images of KL(softmax(logits), softmax(others)), in nats."""
    wanted, given = (F.log_softmax(t.double(), dim=1) for t in (logits, others))
    return float((wanted.exp() * (wanted - given)).sum(dim=1).mean().clamp(min=0))
