"""What a rounded layer multiplies where it is executed: whole numbers, their scales, and the codes of activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from vitnas.search_spaces.precision import BLOCK, SMALL, Precision
from vitnas.supernets.precision.operands import Affine
from vitnas.supernets.precision.quantised import QuantisedLayer

Codes = tuple[float, int]
"""The scale of activations as bytes, and the byte that stands for zero."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A weight as it is kept.

    Attributes:
        values: whole numbers in int8 of the shape of the weight; of a palette the weight itself.
        scales: (out, blocks), one for each block of `BLOCK` inputs or for a whole row; None for a palette.
        in_blocks: which of both.
    """

    values: Tensor
    scales: Tensor | None
    in_blocks: bool = False

    @classmethod
    def of(cls, weight: Tensor, step: Tensor | None, precision: Precision) -> Kept:
        """A rounded weight with the steps that its numbers are multiples of."""
        if step is None:
            return cls(weight.detach(), None)
        whole = (weight.detach().flatten(1) / spread(step, weight[0].numel())).round()
        in_blocks = not precision.integer and precision.weight_bits <= SMALL and weight.ndim == 2
        return cls(whole.to(torch.int8).reshape(weight.shape), step, in_blocks)

    def same(self, other: Kept) -> bool:
        """Whether another stands for the same weight."""
        pairs = [(self.values, other.values), *[(self.scales, other.scales)] * (self.scales is not None)]
        return (self.scales is None) == (other.scales is None) and all(torch.equal(a, b) for a, b in pairs)  # type: ignore[arg-type]


def spread(scales: Tensor, size: int) -> Tensor:
    """(out, size) of (out, blocks), or (out, 1) of one scale a row."""
    return scales.repeat_interleave(BLOCK, dim=1)[:, :size] if scales.shape[1] > 1 else scales


@dataclass(frozen=True, eq=False)
class StoredProduct:
    """One product.

    Attributes:
        kept: its weight.
        bias: in float, or None.
        taken: codes of what the weight is multiplied by; None where that stays in float.
        given: codes of the answer; None where that is float. Runtimes turn bytes into bytes where they convolve.
    """

    kept: Kept
    bias: Tensor | None
    taken: Codes | None = None
    given: Codes | None = None


@dataclass(frozen=True)
class Executed:
    """One layer.

    Attributes:
        precision: of its products.
        products: in the order of their numbers.
        norms: weights and biases of norms that are not as they were, by number.
    """

    precision: Precision
    products: tuple[StoredProduct, ...]
    norms: Mapping[int, Affine] = field(default_factory=dict)

    @classmethod
    def of(cls, layer: QuantisedLayer) -> Executed:
        """What a layer of `vitnas.supernets.precision` multiplies."""
        products = [
            StoredProduct(
                Kept.of(one.weight, one.step, layer.precision),
                one.bias,
                None if one.codes is None else (one.codes.scale, one.codes.zero),
            )
            for one in layer.executed
        ]
        return cls(layer.precision, tuple(products), layer.affines)

    def giving(self, given: Mapping[int, Codes]) -> Executed:
        """The same with codes of some answers."""
        return replace(
            self, products=tuple(replace(one, given=given.get(number)) for number, one in enumerate(self.products))
        )
