"""Compensation: what the channels that stay make up for those that are cut away, in closed form.

A product W x + b that loses the inputs P keeps W_K x_K. Where x_P is about A x_K + c, the least squares fit over some
images, W_K + W_P A and b + W_P c answer as nearly as a product of x_K can: A = S_PK (S_KK + lambda I)^-1 and
c = mean_P - A mean_K, from one mean and one covariance S of all inputs, whichever of them are cut away (CORP, 2026).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vitnas.supernets.layers import Layer

RIDGE = 1e-3
"""lambda, in units of the mean variance of an input."""

REMEMBERED = 256 * 2**20
"""Bytes of products at their smaller widths that are kept, so that archs that share them are cut out at once."""


@dataclass(frozen=True, eq=False)
class ProductMoments:
    """What one pass over images saw of the inputs of a product.

    Attributes:
        weight: the name of its weight in the layer, (*answers, *inputs).
        bias: the name of its bias, or "" where it has none; inputs then count from zero instead of from their mean.
        answers: the extents of the axes of answers.
        inputs: the extents of the axes of inputs.
        mean: (n,), of the inputs laid out flat.
        covariance: (n, n); without a bias the mean of squares and products.
        gain: (out,), the mean square, summed over the tokens of an image, of what one unit of its answer does to the
            logits, so that errors of different layers add up.
    """

    weight: str
    bias: str
    answers: tuple[int, ...]
    inputs: tuple[int, ...]
    mean: Tensor
    covariance: Tensor
    gain: Tensor

    @property
    def ridge(self) -> float:
        return RIDGE * float(self.covariance.diagonal().mean())


@dataclass(frozen=True, eq=False)
class Compensation:
    """The moments of all products of a supernet that lose inputs in smaller archs.

    Attributes:
        products: key of a layer in `Supernet.layers` -> its products.
        powers: key of a layer -> what leaving out each channel that it writes does to the logits, in the units of `gain`.
        num_images: how many images were seen.
        left: key of a layer that is left out -> the same where its map stands in for it.
    """

    products: Mapping[str, tuple[ProductMoments, ...]]
    powers: Mapping[str, Tensor]
    num_images: int
    left: Mapping[str, Tensor] = field(default_factory=dict)
    _known: OrderedDict[tuple[object, ...], tuple[Tensor, Tensor | None]] = field(
        default_factory=OrderedDict, repr=False
    )

    @torch.no_grad()
    def apply(self, key: str, whole: Layer, small: Layer) -> None:
        """Gives a layer that was cut out of another the weights that make up for what it lost.

        Args:
            key: of the whole layer.
            whole: with the shared weights.
            small: from `Layer.at` or `Layer.narrow`; it then has weights of its own where something was made up for.
        """
        for product in self.products.get(key, ()):
            if not loses(product, small):
                continue
            weight, bias = self._compensated(key, product, whole, small)
            _put(small, product.weight, weight)
            if bias is not None:
                _put(small, product.bias, bias)

    def _compensated(
        self, key: str, product: ProductMoments, whole: Layer, small: Layer
    ) -> tuple[Tensor, Tensor | None]:
        shared = whole.get_parameter(product.weight)
        shape = _tensor(small, product.weight).shape
        where = (key, product.weight, shape, shared.data_ptr(), shared._version, shared.device)
        if where not in self._known:
            weights = rows_of(product, shared, shape)
            kept = kept_inputs(product, shape)
            change, shift = fit(product, weights, kept)
            bias = _tensor(small, product.bias).detach() if product.bias else None
            given = weights[:, kept] + change
            self._known[where] = (
                given.reshape(shape).to(shared),
                None if bias is None else (bias.double().cpu() + shift.view_as(bias)).to(shared),
            )
            while len(self._known) > 1 and sum(map(_num_bytes, self._known.values())) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[where]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_known": OrderedDict()}


def _num_bytes(known: tuple[Tensor, Tensor | None]) -> int:
    return sum(tensor.nbytes for tensor in known if tensor is not None)


def loses(product: ProductMoments, small: Layer) -> bool:
    """Whether a smaller layer lacks inputs of a product that were looked at, and has no other ones."""
    own = tuple(_tensor(small, product.weight).shape[-len(product.inputs) :])
    return own != product.inputs and all(size <= seen for size, seen in zip(own, product.inputs, strict=True))


def kept_inputs(product: ProductMoments, shape: tuple[int, ...]) -> Tensor:
    """Which of the inputs, laid out flat, a weight of this shape has: the first of every axis."""
    inside = torch.zeros(product.inputs, dtype=torch.bool)
    inside[tuple(slice(size) for size in shape[-len(product.inputs) :])] = True
    return inside.flatten()


def fit(product: ProductMoments, weights: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """What has to be added to the weights that stay, and to the bias.

    Args:
        product: its inputs.
        weights: (out, n), of all inputs.
        kept: (n,), which of them stay.

    Returns:
        W_P A of shape (out, kept) and W_P c of shape (out,), in double precision.
    """
    moments, mean = product.covariance.double(), product.mean.double()
    lost = weights[:, ~kept].double()
    inner = moments[kept][:, kept]
    inner.diagonal().add_(product.ridge)
    change = torch.cholesky_solve(moments[kept][:, ~kept] @ lost.T, torch.linalg.cholesky(inner)).T
    return change, lost @ mean[~kept] - change @ mean[kept]


def error_of(product: ProductMoments, weights: Tensor, kept: Tensor) -> Tensor:
    """``(out,)``: the mean squared error that is left in every answer of a product when the rest is made up for."""
    moments, lost = product.covariance.double(), weights[:, ~kept].double()
    change, _ = fit(product, weights, kept)
    between = moments[kept][:, ~kept]
    alone = ((lost @ moments[~kept][:, ~kept]) * lost).sum(dim=1)
    told = ((change @ between) * lost).sum(dim=1)
    return (alone - 2 * told + ((change @ moments[kept][:, kept]) * change).sum(dim=1)).clamp(min=0)


def rows_of(product: ProductMoments, shared: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(out, n): the answers that a weight of this shape has, by all the inputs that were looked at."""
    answers = shape[: len(shape) - len(product.inputs)]
    seen = shared.detach()[tuple(slice(size) for size in (*answers, *product.inputs))]
    return seen.reshape(-1, product.mean.numel()).double().cpu()


def _tensor(layer: nn.Module, name: str) -> Tensor:
    """A weight of a layer, also where it is a slice and no parameter."""
    owner, _, leaf = name.rpartition(".")
    found = layer.get_submodule(owner)._parameters[leaf]
    assert found is not None
    return found


def _put(layer: nn.Module, name: str, value: Tensor) -> None:
    """Replaces a weight, in a layer that stands alone or in one that is slices of another."""
    owner, _, leaf = name.rpartition(".")
    home = layer.get_submodule(owner)
    old = home._parameters[leaf]
    if isinstance(old, nn.Parameter):
        value = nn.Parameter(value.clone(), old.requires_grad)
    home._parameters[leaf] = value  # type: ignore[assignment]
