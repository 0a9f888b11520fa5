"""AdaLog: powers of a base that is searched, by two small tables and a shift."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from vitnas.supernets.quantisers.logarithmic import powers
from vitnas.supernets.quantisers.quantiser import Role, TableQuantiser, tops

OCTAVE = 37
"""Steps an octave, of which a base takes a whole number."""
STEPS = (10, 13, 16, 18, 20, 23, 26, 30, 34, 37, 43, 50, 60, 74, 96, 138)


@dataclass(frozen=True, eq=False)
class AdaLog(TableQuantiser):
    """``top * 2 ** (-code * q / 37) - shift`` with q searched.

    A value is a shift by the whole part of the exponent and a factor for the rest, from a table whose entries are whole steps
    of ``1 / (2 * 2 ** bits - 2)``. Numbers after a GELU are shifted to be positive; what that adds to a product is a constant
    (`bias_of_shift`).

    Attributes:
        shift: is added before a number is encoded, and taken away after.
    """

    roles: ClassVar[frozenset[Role]] = frozenset({Role.SOFTMAX, Role.GELU})

    shift: float = 0.0

    @classmethod
    def candidates(cls, values: Tensor, bits: int) -> Iterable[Self]:
        shift = max(0.0, -float(values.min()))
        for top in tops(values + shift):
            for q in STEPS:
                _, bounds = powers(top, q / OCTAVE, bits)
                table = top * as_tables(q, bits)
                if bool(((table[1:-1] <= bounds[1:]) & (table[1:-1] >= bounds[:-1])).all()):  # each in its own cell
                    yield cls(table - shift, bounds - shift, shift)


def as_tables(q: int, bits: int) -> Tensor:
    """The values for a top of 1, in rising order, as a table of shifts and one of factors give them."""
    codes = torch.arange(2**bits - 2, -1, -1)
    grid = 2 * 2**bits - 2
    factor = torch.round(torch.exp2(-((codes * q) % OCTAVE).double() / OCTAVE) * grid) / grid
    return torch.cat([torch.zeros(1, dtype=torch.float64), factor * torch.exp2(-((codes * q) // OCTAVE).double())])
