"""Ridge: the weights that answer best to rounded activations, in closed form, and biases that make up for what is left.

Where a product is to answer Y and is given rounded X, its weight moves by the least squares fit D of Y - X W' to X, with a
penalty lambda |D|^2 that keeps it near W. It is folded into the weight before that is rounded; the mean of what is then missing
goes into the bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces.precision import Precision
from vitnas.supernets.precision.operands import Affine, Operands, Substitute, record
from vitnas.supernets.precision.products import Place, ProductCall, run_layer
from vitnas.supernets.precision.ranges import Ranges
from vitnas.supernets.precision.rounding import rounded_activation, rounded_weight

LAMBDA = 1e-2
"""In units of the mean square of an input."""

MOST_NUMBERS = 2**25
"""Of inputs laid out in rows; fewer images are looked at where there would be more."""


@torch.no_grad()
def ridged(
    site: str,
    layer: nn.Module,
    inputs: tuple[Tensor, Tensor],
    precision: Precision,
    ranges: Ranges,
    operands: Operands,
) -> Operands:
    """The operands of a layer that answers to rounded inputs as it does in float.

    Args:
        site: of the layer.
        layer: in evaluation mode.
        inputs: what it takes in float, and what it takes where the layers before it are rounded.
        precision: of the layer.
        ranges: of its activations.
        operands: what stands in for its weights so far.
    """
    given, rounded = inputs
    seen, _ = record(site, layer, given, operands)
    fit = _Fit(site, operands, seen.answers, precision, ranges)
    run_layer(layer, rounded, fit)
    return operands.with_products(fit.found)


class _Fit(Substitute):
    """Fits one product after the other, each to inputs that those before it have answered rounded."""

    def __init__(
        self, site: str, operands: Operands, wanted: list[Tensor], precision: Precision, ranges: Ranges
    ) -> None:
        super().__init__(site, operands)
        self.wanted, self.precision, self.ranges = wanted, precision, ranges
        self.found: dict[Place, Affine] = {}

    def product(self, call: ProductCall) -> Tensor:
        place, bits = (self.site, call.number), self.precision.activation_bits
        x = call.input
        if self.precision.integer:
            x = rounded_activation(x, *self.ranges.codes(place, bits), bits)
        weight, bias = self.weights(call)
        rows = ProductRows.of(call, x, self.wanted[call.number])
        fitted = rows.fit(weight, bias)
        choices: list[Affine] = [(weight, bias)]
        for one in (weight, fitted[0]):
            choices.append((one, rows.bias(rounded_weight(one, self.precision))))
        best = min(choices, key=lambda choice: rows.error(rounded_weight(choice[0], self.precision), choice[1]))
        self.found[place] = best
        return call.answer(x, rounded_weight(best[0], self.precision), best[1])


@dataclass(frozen=True, eq=False)
class ProductRows:
    """The inputs and wanted answers of a product, a row a token or place, apart by groups.

    Attributes:
        x: (groups, rows, inputs).
        y: (groups, rows, answers).
    """

    x: Tensor
    y: Tensor

    @classmethod
    def of(cls, call: ProductCall, x: Tensor, wanted: Tensor) -> ProductRows:
        """Those of a call, of as many images as there is room for."""
        if not call.convolution:
            num = max(2, int(len(x) * min(1.0, MOST_NUMBERS / x.numel())))
            return cls(x[:num].flatten(0, -2)[None], wanted[:num].flatten(0, -2)[None])
        size = tuple(call.weight.shape[2:])
        places = wanted[0, 0].numel() * x.shape[1] * size[0] * size[1]
        num = max(2, min(len(x), MOST_NUMBERS // places))
        told = {name: call.rest[name] for name in ("stride", "padding", "dilation") if name in call.rest}
        patches = F.unfold(x[:num], size, **told)  # (N, inputs, places)
        return cls(_in_groups(patches, call.groups), _in_groups(wanted[:num].flatten(2), call.groups))

    def fit(self, weight: Tensor, bias: Tensor | None) -> Affine:
        """The weight and bias that answer best, unrounded."""
        own = self._weight(weight)
        off = self.y - self.x @ own.mT
        x_mean, off_mean = self.x.mean(dim=1, keepdim=True), off.mean(dim=1, keepdim=True)
        x, off = (self.x - x_mean).double(), (off - off_mean).double()
        gram = x.mT @ x
        diagonal = gram.diagonal(dim1=1, dim2=2)
        diagonal += LAMBDA * diagonal.mean(dim=1, keepdim=True) + torch.finfo(torch.float32).tiny
        change = torch.cholesky_solve(x.mT @ off, torch.linalg.cholesky(gram)).mT.to(weight)
        shift = off_mean - x_mean @ change.mT
        return (own + change).reshape(weight.shape), shift.flatten()

    def bias(self, weight: Tensor) -> Tensor:
        """The one with which a weight answers right on average."""
        return (self.y - self.x @ self._weight(weight).mT).mean(dim=1).flatten()

    def error(self, weight: Tensor, bias: Tensor | None) -> float:
        """The mean squared error of a weight and bias."""
        off = self.y - self.x @ self._weight(weight).mT
        if bias is not None:
            off = off - bias.reshape(len(off), 1, -1)
        return float(off.square().mean())

    def _weight(self, weight: Tensor) -> Tensor:
        return weight.reshape(len(self.x), -1, self.x.shape[2])


def _in_groups(values: Tensor, groups: int) -> Tensor:
    """(groups, rows, channels / groups) of (N, channels, places)."""
    images, channels, places = values.shape
    return values.reshape(images, groups, channels // groups, places).permute(1, 0, 3, 2).flatten(1, 2)
