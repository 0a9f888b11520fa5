"""Quantiser: which few values stand for all the numbers of a tensor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar, Self

import torch
from torch import Tensor

from vitnas.errors import SettingsError


class Role(Enum):
    """What a tensor is to a product, and where its numbers come from."""

    WEIGHTS = "weights"
    INPUTS = "inputs"
    """Factors of a product, wherever they come from."""
    SOFTMAX = "softmax"
    """Factors that a softmax gave: between 0 and 1, most of them small."""
    GELU = "gelu"
    """Factors that a GELU gave: a short negative side and a long positive one."""


class Quantiser(ABC):
    """A number becomes a code, and a code the value that stands for it. `fit` makes one for given values.

    There are at most ``2 ** bits`` values, of which codes count from the least. They are fitted to have the least squared
    error on the values given, whatever its authors search by, so that quantisers are compared and not their searches.

    Attributes:
        roles: what it was made for.
        executed: the roles in which a runtime of some device computes with its codes; for all others it is a simulation.
    """

    roles: ClassVar[frozenset[Role]]
    executed: ClassVar[frozenset[Role]] = frozenset()

    @classmethod
    @abstractmethod
    def fit(cls, values: Tensor, bits: int) -> Self:
        """The quantiser of so many bits for values such as these."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Codes, as whole numbers from 0."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """The values that codes stand for."""

    def __call__(self, x: Tensor) -> Tensor:
        """Every number replaced by the value that stands for it."""
        return self.decode(self.encode(x)).to(x.dtype)

    def error(self, x: Tensor) -> float:
        """Mean squared error."""
        return float((self(x) - x).square().mean())


@dataclass(frozen=True, eq=False)
class TableQuantiser(Quantiser):
    """A quantiser written out: its values in order, and the bounds between them.

    Attributes:
        values: what codes stand for, in rising order; two may be the same.
        bounds: a number has the code of the first bound that it does not exceed, or the last.
    """

    values: Tensor
    bounds: Tensor

    @classmethod
    @abstractmethod
    def candidates(cls, values: Tensor, bits: int) -> Iterable[Self]:
        """Those that `fit` chooses from, for values in rising order."""

    @classmethod
    def fit(cls, values: Tensor, bits: int) -> Self:
        seen = check_values(values, bits).flatten().double().sort().values  # which takes less time to look up
        best = min(cls.candidates(seen, bits), key=lambda one: one.error(seen))
        return replace(best, values=best.values.float(), bounds=best.bounds.float())

    def encode(self, x: Tensor) -> Tensor:
        return torch.bucketize(x.contiguous().to(self.bounds.dtype), self.bounds)

    def decode(self, codes: Tensor) -> Tensor:
        return self.values[codes]


def between(values: Tensor) -> Tensor:
    """Bounds that give every number the nearest of sorted values."""
    return (values[1:] + values[:-1]) / 2


RANKS = (0.9999, 0.999, 0.99)
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
"""Ends of a range to choose from: these ranks of the numbers seen, and these shares of the largest; what lies beyond is clipped."""


def tops(values: Tensor) -> list[float]:
    """Largest values to choose from."""
    ranks = torch.quantile(values, torch.tensor(RANKS, dtype=values.dtype)).tolist()
    found = [*ranks, *(share * float(values.max()) for share in SHARES)]
    return sorted({top for top in found if top > 0}) or [1.0]


def check_values(values: Tensor, bits: int, most: int = 8) -> Tensor:
    """Refuses what nothing can be fitted to."""
    if not 2 <= bits <= most:
        raise SettingsError(f"a quantiser has 2 to {most} bits, not {bits}")
    if not values.numel() or not values.isfinite().all():
        raise SettingsError(
            "a quantiser is fitted to finite values, at least one; the tensor given has none or some that are not"
        )
    return values.detach()
