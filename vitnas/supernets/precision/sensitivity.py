"""Sensitivity: what rounding one layer does to the answers of a network, and what leaving it out would."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
        rounded: name of a precision -> the divergence that the layer is the cause of when it is at it.
        left_out: the divergence when a layer that adds to its input adds nothing, and another one answers nothing.
    """

    rounded: Mapping[str, float]
    left_out: float

    def share(self, precision: str) -> float:
        """How much of the layer's worth a precision loses."""
        return min(self.rounded[precision] / max(self.left_out, 1e-30), MOST_OF_IT)


@torch.no_grad()
def layer_sensitivities(
    network: nn.Module,
    menu: Mapping[str, Sequence[Precision]],
    ranges: Ranges,
    images: Tensor,
    others: Collection[str] | None = None,
) -> dict[str, LayerSensitivity]:
    """Rounds each layer as the first and as the last of all.

    Errors of several layers meet, so a layer alone says too little of what it does among others: its divergence is the mean of
    what it does alone and what it adds where all others are rounded. Of two layers these add up to what both do.

    Args:
        network: a chain of layers in evaluation mode.
        menu: the precisions of each site that is looked at.
        ranges: of all their products.
        images: (N, C, H, W).
        others: sites of all layers that may be rounded; by default those of the menu.
    """
    layers = dict(network.named_children())
    calls = calls_of(network)
    plain = _Chain(list(layers.values()), images)
    answers = plain.inputs[-1]
    found: dict[str, dict[str, float]] = {site: {} for site in layers if site in menu}
    around = menu.keys() if others is None else {*others}
    for precision in dict.fromkeys(one for each in menu.values() for one in each):
        rounded = {
            site: quantised_layer(layer, calls[site], precision, ranges, Operands())
            for site, layer in layers.items()
            if site in around
        }
        chain = _Chain([rounded.get(site, layer) for site, layer in layers.items()], images)
        together = mean_divergence(answers, chain.inputs[-1])
        for at, (site, layer) in enumerate(layers.items()):
            if precision in menu.get(site, ()):
                alone = mean_divergence(answers, plain.after(at, rounded[site](plain.inputs[at])))
                without = mean_divergence(answers, chain.after(at, layer(chain.inputs[at])))
                found[site][precision.name] = max(0.0, (alone + together - without) / 2)
    return {
        site: LayerSensitivity(
            each, mean_divergence(answers, plain.after(at, _left_out(layers[site], plain.inputs, at)))
        )
        for at, site in enumerate(layers)
        if (each := found.get(site)) is not None
    }


class _Chain:
    """Layers one after the other, and what each takes; the last entry is the answer."""

    def __init__(self, layers: Sequence[nn.Module], images: Tensor) -> None:
        self._layers = layers
        self.inputs = [images]
        for layer in layers:
            self.inputs.append(layer(self.inputs[-1]))

    def after(self, at: int, answer: Tensor) -> Tensor:
        """What the layers behind one make of its answer."""
        for layer in self._layers[at + 1 :]:
            answer = layer(answer)
        return answer


def _left_out(layer: nn.Module, inputs: Sequence[Tensor], at: int) -> Tensor:
    residual = bool(getattr(layer, "is_residual", bool)())
    return inputs[at] if residual else torch.zeros_like(inputs[at + 1])


def mean_divergence(logits: Tensor, others: Tensor) -> float:
    """The mean over images of KL(softmax(logits), softmax(others)), in nats."""
    wanted, given = (F.log_softmax(t.double(), dim=1) for t in (logits, others))
    return float((wanted.exp() * (wanted - given)).sum(dim=1).mean().clamp(min=0))
