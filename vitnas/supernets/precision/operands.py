"""Operands: the weights of a network by the numbers of its products and norms, so that they can be changed whatever the layers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from vitnas.errors import SpaceError
from vitnas.supernets.precision.products import Handler, NormCall, Place, ProductCall, run_layer, run_network

Affine = tuple[Tensor, Tensor | None]
"""A weight and a bias."""


@dataclass(frozen=True)
class Operands:
    """What stands in for the weights of a network; a product or norm that is not named keeps its own.

    Attributes:
        products: weight and bias of a product.
        norms: weight and bias of a norm.
        steps: of the weight of a product, once they are settled (see `weight_step`); others follow from the weight.
    """

    products: Mapping[Place, Affine] = field(default_factory=dict)
    norms: Mapping[Place, Affine] = field(default_factory=dict)
    steps: Mapping[Place, Tensor] = field(default_factory=dict)

    def with_products(self, changed: Mapping[Place, Affine], steps: Mapping[Place, Tensor] | None = None) -> Operands:
        """These, and others for some products, with steps of their own."""
        kept = {place: step for place, step in self.steps.items() if place not in changed}
        return replace(self, products={**self.products, **changed}, steps={**kept, **(steps or {})})

    def with_norms(self, changed: Mapping[Place, Affine]) -> Operands:
        """These, and others for some norms."""
        return replace(self, norms={**self.norms, **changed})


class Substitute(Handler):
    """Computes the products and norms of a site with operands that stand in for its own."""

    def __init__(self, site: str, operands: Operands) -> None:
        self.site = site
        self.operands = operands

    def weights(self, call: ProductCall) -> Affine:
        """The weight and bias of a product."""
        return self.operands.products.get((self.site, call.number), (call.weight, call.bias))

    def affine(self, call: NormCall) -> Affine:
        """The weight and bias of a norm."""
        return self.operands.norms.get((self.site, call.number), (call.weight, call.bias))

    def product(self, call: ProductCall) -> Tensor:
        return call.answer(call.input, *self.weights(call))

    def norm(self, call: NormCall) -> Tensor:
        return call.answer(*self.affine(call))


class CallRecorder(Substitute):
    """Keeps the calls of a site and what came out of its products, and leaves the answers as they are."""

    def __init__(self, site: str, operands: Operands) -> None:
        super().__init__(site, operands)
        self.calls: list[ProductCall] = []
        self.answers: list[Tensor] = []
        self.norms: list[NormCall] = []

    def product(self, call: ProductCall) -> Tensor:
        self.calls.append(call)
        self.answers.append(super().product(call))
        return self.answers[-1]

    def norm(self, call: NormCall) -> Tensor:
        self.norms.append(call)
        return super().norm(call)


def record(site: str, layer: nn.Module, x: Tensor, operands: Operands) -> tuple[CallRecorder, Tensor]:
    """What a layer multiplies, and its answer."""
    seen = CallRecorder(site, operands)
    return seen, run_layer(layer, x, seen)


@torch.no_grad()
def calls_of(network: nn.Module) -> dict[str, CallRecorder]:
    """The products and norms of every site, from one look at blank images."""
    first = next(network.children())
    spec: Any = getattr(first, "spec", None)
    if spec is None:
        raise SpaceError(
            f"the first layer of the network, a {type(first).__name__}, does not say what it takes; give a chain of layers "
            "that have a spec, such as Supernet.extract or folding give"
        )
    found = {site: CallRecorder(site, Operands()) for site, _ in network.named_children()}
    weight = next(network.parameters())
    run_network(network, torch.zeros(2, *spec.in_shape, dtype=weight.dtype, device=weight.device), found.__getitem__)
    return found
