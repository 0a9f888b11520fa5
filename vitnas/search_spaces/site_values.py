"""SiteValues: one number for every layer at every site, which add up, so that the cost of populations is a look-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.search_spaces.genome import Codes
from vitnas.search_spaces.space import SearchSpace


@dataclass(frozen=True, eq=False)
class SiteValues:
    """The sum over the sites of what the layer there counts; the same layer may count otherwise at another site.

    Attributes:
        space: of the archs.
        table: a row a site and a column a layer that may stand there, in the order of `space.lowering`; the last
            column is of no layer.
    """

    space: SearchSpace
    table: NDArray[np.float64]

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        numbers = self.space.lowering.spec_numbers(codes)
        found: NDArray[np.float64] = self.table[np.arange(numbers.shape[1]), numbers].sum(axis=1)
        return found

    def times(self, factor: float) -> SiteValues:
        """All of them so many times."""
        return SiteValues(self.space, factor * self.table)

    @classmethod
    def zeros(cls, space: SearchSpace) -> NDArray[np.float64]:
        """A table to fill in."""
        return np.zeros((len(space.lowering.sites), len(space.lowering.specs) + 1))
