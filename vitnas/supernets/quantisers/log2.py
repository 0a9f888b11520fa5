"""Log2: powers of two for attention, so that a product with them is a shift (FQ-ViT)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from torch import Tensor

from vitnas.supernets.quantisers.logarithmic import powers
from vitnas.supernets.quantisers.quantiser import Role, TableQuantiser, tops


class Log2(TableQuantiser):
    """``top * 2 ** -code``; its authors have 1 for the top, which is searched here."""

    roles: ClassVar[frozenset[Role]] = frozenset({Role.SOFTMAX})
    step: ClassVar[float] = 1.0

    @classmethod
    def candidates(cls, values: Tensor, bits: int) -> Iterable[Self]:
        return [cls(*powers(top, cls.step, bits)) for top in tops(values)]
