"""Networks at their precision: the same function, with the products of some layers rounded as they will be where it runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitnas.errors import SpaceError, suggest
from vitnas.search_spaces import Blueprint
from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.supernets.precision.operands import Affine, CallRecorder, Operands, calls_of
from vitnas.supernets.precision.products import Handler, NormCall, ProductCall, run_layer
from vitnas.supernets.precision.ranges import Ranges
from vitnas.supernets.precision.rounding import rounded_activation, rounded_weight, weight_step


@dataclass(frozen=True)
class ActivationCodes:
    """How the input of a product becomes codes.

    Attributes:
        scale: the step from one code to the next.
        zero: the code of 0.
        bits: codes are from 0 to ``2 ** bits - 1``.
    """

    scale: float
    zero: int
    bits: int

    def __call__(self, x: Tensor) -> Tensor:
        return rounded_activation(x, self.scale, self.zero, self.bits)


class QuantisedProduct(nn.Module):
    """The operands of one product as it is executed.

    Attributes:
        weight: rounded, in float.
        bias: in float, or None.
        step: (out, blocks), of which the weight's numbers are multiples; None where they are entries of a palette.
        codes: what the input becomes, or None where it stays as it is.
    """

    step: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, step: Tensor | None, codes: ActivationCodes | None) -> None:
        super().__init__()
        self.register_buffer("step", step)
        self.weight, self.bias = _kept(weight), None if bias is None else _kept(bias)
        self.codes = codes

    def forward(self, call: ProductCall) -> Tensor:
        return call.answer(call.input if self.codes is None else self.codes(call.input), self.weight, self.bias)


class QuantisedLayer(nn.Module):
    """A layer whose products are computed with rounded operands.

    Attributes:
        layer: as it is in float.
        precision: of its products.
        products: by their numbers.
        norms: the affines of norms that are not as in `layer`, by their numbers.
        spec: of the layer, where it has one.
    """

    def __init__(
        self, layer: nn.Module, precision: Precision, products: list[QuantisedProduct], norms: Mapping[int, Affine]
    ) -> None:
        super().__init__()
        self.layer, self.precision = layer, precision
        self.products = nn.ModuleList(products)
        self.norms = nn.ModuleDict({str(number): _Affine(*affine) for number, affine in norms.items()})
        self.spec = getattr(layer, "spec", None)

    def forward(self, x: Tensor) -> Tensor:
        return run_layer(self.layer, x, _Execute(self))

    @property
    def executed(self) -> tuple[QuantisedProduct, ...]:
        """Its products."""
        return tuple(one for one in self.products if isinstance(one, QuantisedProduct))

    @property
    def affines(self) -> dict[int, Affine]:
        """Those of norms that are not as in the layer, by number."""
        return {int(number): one.affine for number, one in self.norms.items() if isinstance(one, _Affine)}


class _Execute(Handler):
    def __init__(self, layer: QuantisedLayer) -> None:
        self.products, self.affines = layer.executed, layer.affines

    def product(self, call: ProductCall) -> Tensor:
        answer: Tensor = self.products[call.number](call)
        return answer

    def norm(self, call: NormCall) -> Tensor:
        return call.answer(*self.affines[call.number]) if call.number in self.affines else call.plain()


class _Affine(nn.Module):
    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight, self.bias = _kept(weight), None if bias is None else _kept(bias)

    @property
    def affine(self) -> Affine:
        return self.weight, self.bias


def check_sites(network: nn.Module, sites: Iterable[str]) -> None:
    """Refuses sites at which a network has no layer."""
    names = [site for site, _ in network.named_children()]
    for site in sites:
        if site not in names:
            raise SpaceError(f"no layer stands at site '{site}', which was given a precision; {suggest(site, names)}")


def precisions_of(blueprint: Blueprint) -> dict[str, Precision]:
    """Those of the layers that are not computed in float, by site."""
    return {site: Precision.of(spec.precision) for site, spec in blueprint.items() if spec.precision != FLOAT.name}


@torch.no_grad()
def quantised(
    network: nn.Module,
    precisions: Mapping[str, Precision],
    ranges: Ranges | None = None,
    operands: Operands = Operands(),
) -> nn.Sequential:
    """The same chain of layers, those of some sites at their precisions.

    Args:
        network: a chain of layers that know their spec, extracted or folded; its layers are shared, and it is left as it was.
        precisions: of sites; the others are the very same modules as before.
        ranges: of the activations; not needed where precisions are of weights alone.
        operands: what stands in for weights, before they are rounded.
    """
    low = {site: precision for site, precision in precisions.items() if precision != FLOAT}
    check_sites(network, low)
    calls = calls_of(network) if low else {}
    layers = OrderedDict(network.named_children())
    for site, precision in low.items():
        layers[site] = quantised_layer(layers[site], calls[site], precision, ranges, operands)
    return nn.Sequential(layers).train(network.training)


@torch.no_grad()
def quantised_layer(
    layer: nn.Module, calls: CallRecorder, precision: Precision, ranges: Ranges | None, operands: Operands
) -> QuantisedLayer:
    """One layer at a precision, whose products were seen."""
    if precision.integer and ranges is None:
        raise SpaceError(
            f"site '{calls.site}' multiplies in integers ('{precision}'), which needs ranges; calibrate first"
        )
    products = []
    for call in calls.calls:
        place = calls.site, call.number
        weight, bias = operands.products.get(place, (call.weight, call.bias))
        codes = None
        if precision.integer and ranges is not None:
            bits = precision.activation_bits
            codes = ActivationCodes(*ranges.codes(place, bits), bits)
        step = None if precision.palette else operands.steps.get(place)
        if step is None and not precision.palette:
            step = weight_step(weight, precision)
        products.append(QuantisedProduct(rounded_weight(weight, precision, step), bias, step, codes))
    norms = {number: affine for (site, number), affine in operands.norms.items() if site == calls.site}
    return QuantisedLayer(layer, precision, products, norms)


def _kept(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.detach().clone(), requires_grad=False)
