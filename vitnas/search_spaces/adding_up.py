"""Adding up: of any cost of populations, what every layer counts at every site; refused where it does not add up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.search_spaces.cost_range import CostOf, evaluate
from vitnas.search_spaces.genome import Codes, distinct
from vitnas.search_spaces.site_values import SiteValues
from vitnas.search_spaces.space import SearchSpace

HELD_OUT = 200
"""Archs that the sums are held against."""
SAME = 1e-6
"""How far they may be off, relative to the range of the cost."""
DIGITS = 2.0**-27
"""Of the range of the cost, to which sums are rounded: layers that cost the same then do so on every processor, whatever its
linear algebra makes of the last digits."""


def site_values(space: SearchSpace, quantity: str, cost: CostOf, seed: int = 0) -> tuple[SiteValues, float]:
    """What every layer counts at every site, and what is added to each arch beside it.

    The costs of some archs, which have every layer several times, are solved for those of their layers.

    Args:
        space: of the archs.
        quantity: that the cost is of, for messages.
        cost: of populations.
        seed: of the archs.
    """
    if isinstance(cost, SiteValues):
        return cost, 0.0
    from scipy.sparse import csr_matrix, hstack
    from scipy.sparse.linalg import lsmr

    rng = np.random.default_rng(seed)
    codes = _covering(space, rng)
    places = _Places(space, codes)
    values, held = evaluate(quantity, cost, codes), _sampled(space, HELD_OUT, rng)
    middle, spread = float(values.mean()), float(np.ptp(values)) or 1.0
    ones = csr_matrix(np.ones((len(codes), 1)))
    found = lsmr(
        hstack([places(codes), ones]), (values - middle) / spread, atol=1e-14, btol=1e-14, conlim=0, maxiter=20_000
    )
    table = SiteValues(space, places.table(np.rint(found[0][:-1] / DIGITS) * DIGITS * spread))
    beside = float(found[0][-1]) * spread + middle
    off = np.abs(table(held) + beside - evaluate(quantity, cost, held)).max()
    if not off <= SAME * spread:
        raise SearchError(
            f"'{quantity}' of space '{space.name}' does not add up over layers: archs are off the sum by up to {off:.3g} of a "
            f"range of {spread:.3g}; leave it out of the limits and objectives, or choose a searcher other than programme"
        )
    return table, beside


class _Places:
    """Numbers for the pairs of a site and a layer that archs have."""

    def __init__(self, space: SearchSpace, codes: Codes) -> None:
        self._lowering = space.lowering
        self._width = len(self._lowering.specs) + 1
        self._pairs = np.unique(self._flat(codes))

    def _flat(self, codes: Codes) -> NDArray[np.intp]:
        numbers = self._lowering.spec_numbers(codes).astype(np.intp)
        at: NDArray[np.intp] = np.arange(numbers.shape[1]) * self._width + numbers % self._width
        return at

    def __call__(self, codes: Codes) -> object:
        """``(n, pairs)``: which of them every arch has."""
        from scipy.sparse import csr_matrix

        flat = self._flat(codes)
        columns = np.searchsorted(self._pairs, flat)
        rows = np.repeat(np.arange(len(codes)), flat.shape[1])
        return csr_matrix((np.ones(flat.size), (rows, columns.ravel())), shape=(len(codes), len(self._pairs)))

    def table(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.zeros((len(self._lowering.sites), self._width))
        found.ravel()[self._pairs] = values
        return found


def _covering(space: SearchSpace, rng: np.random.Generator) -> Codes:
    """Archs among which every choice of every column stands beside many others, all of them in small spaces."""
    genome = space.genome
    if genome.size() <= 2000:
        return genome.enumerate()
    rows = [_sampled(space, 2000, rng)]
    for i, column in enumerate(space.columns):
        for code in range(len(column.choices)):
            some = _sampled(space, 12, rng)
            for at, above in _ancestry(space, i, code):
                some[:, at] = above
            rows.append(genome.repair(some, rng))
    every = distinct(np.concatenate(rows))
    lacking = 3 * len(_Places(space, every)._pairs) - len(every)
    return distinct(np.concatenate([every, _sampled(space, lacking, rng)])) if lacking > 0 else every


def _sampled(space: SearchSpace, n: int, rng: np.random.Generator) -> Codes:
    """Half of them by gene, half by arch, where deep ones are many."""
    draw: tuple[Callable[[int, np.random.Generator], Codes], ...] = (space.genome.sample, space.genome.sample_evenly)
    return np.concatenate([one(n - n // 2 if i else n // 2, rng) for i, one in enumerate(draw)])


def _ancestry(space: SearchSpace, column: int, code: int) -> list[tuple[int, int]]:
    """The codes that a column and those that it hangs on must have, so that it has this one."""
    found = [(column, code)]
    parent = space.columns[column].parent
    while parent is not None:
        able = np.flatnonzero(space.columns[found[-1][0]].allowed[:-1, found[-1][1]])
        found.append((parent, int(able[-1])))
        parent = space.columns[parent].parent
    return found
