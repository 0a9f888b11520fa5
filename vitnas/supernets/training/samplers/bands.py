"""Bands of MACs and the archs in them, tabulated before the training so that no step has to try and reject."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError, SettingsError
from vitnas.search_spaces import OFF, Codes, SearchSpace
from vitnas.search_spaces.cost_range import Reach, measure_reach
from vitnas.search_spaces.cost_sampling import sample_near
from vitnas.search_spaces.lowering import Cost
from vitnas.supernets.counting.cache import count_specs
from vitnas.supernets.training.samplers.gene_roles import is_numeric

Row = NDArray[np.int16]
"""The code of one arch."""
_STREAM = 2
"""Keeps the draws of the tables apart from those of batches and samplers."""
WALKERS = 256
ROUNDS = 200
"""Of the walks that gather the archs of a band at an end of a space."""
FINENESS = 201
"""How many sizes between the smallest and the largest arch are looked at for a minimum arch."""


@dataclass(frozen=True, eq=False)
class Band:
    """A range of MACs, ends included, and random archs in it."""

    low: float
    high: float
    codes: Codes


def macs_of(space: SearchSpace) -> Cost:
    """MACs of every row of a population."""
    return space.lowering.total([counts.macs for counts in count_specs(space)])


def reach_of(space: SearchSpace, macs: Cost) -> Reach:
    """The least and the most MACs of a space; the same for any seed."""
    return measure_reach(space, "macs", macs, np.random.default_rng([_STREAM]))


def tabulate(
    space: SearchSpace,
    macs: Cost,
    low: float,
    high: float,
    n: int,
    seed: Sequence[int],
    floor: Row | None = None,
    reach: Reach | None = None,
) -> Band | None:
    """`n` random archs of a band, the same for the same seed; None where there is none.

    Near an end of a large space random archs do not come, so there a walk begins at the end itself.

    Args:
        space: where they come from.
        macs: of it.
        low: the least MACs.
        high: the most MACs.
        n: how many; where a band holds few archs they repeat.
        seed: of the draws.
        floor: no amount may be below what this code has, unless the band holds no such arch.
        reach: of the space, if the band may lie at an end of it.
    """
    rng = np.random.default_rng([_STREAM, *seed])
    if reach is not None and not reach.exact:
        for value, end in ((reach.least, reach.cheapest), (reach.most, reach.costliest)):
            if low <= value <= high:
                return Band(low, high, _roam(space, macs, low, high, n, rng, floor, end))
    part = space if floor is None else clamp(space, floor)

    def cost(codes: Codes) -> NDArray[np.generic]:
        return macs(widen(codes, part, space))

    try:
        found = widen(sample_near(part, cost, low, high, n, rng, "macs"), part, space)
    except SearchError:
        return None if part is space else tabulate(space, macs, low, high, n, seed)
    return Band(low, high, found)


def clamp(space: SearchSpace, floor: Row) -> SearchSpace:
    """The archs that have no amount below those of another; kinds, which are no amounts, stay free."""
    least = dict(zip((column.gene for column in space.columns), _least(space, floor), strict=True))
    only = {gene.name: gene.choices[least[gene.name] :] for gene in space.all_genes if least[gene.name] > 0}
    return space.restrict(**only) if only else space


def _least(space: SearchSpace, floor: Row) -> Row:
    """Per column the least code that a floor leaves: of an amount per layer the least that it has in any layer."""
    numeric = {gene.name for gene in space.all_genes if is_numeric(gene)}
    on: dict[str, list[int]] = {}
    for code, column in zip(floor, space.columns, strict=True):
        if code != OFF and column.gene in numeric:
            on.setdefault(column.gene, []).append(int(code))
    return np.array([min(on.get(column.gene, [0])) for column in space.columns], dtype=np.int16)


def widen(codes: Codes, part: SearchSpace, whole: SearchSpace) -> Codes:
    """Codes of a restricted space as codes of the whole one."""
    if part is whole:
        return codes
    index = {column.name: i for i, column in enumerate(whole.columns)}
    found = whole.genome.empty(len(codes))
    for j, column in enumerate(part.columns):
        i = index[column.name]
        table = [*(whole.columns[i].choices.index(choice) for choice in column.choices), OFF]
        found[:, i] = np.array(table, dtype=np.int16)[codes[:, j]]
    return found


def _roam(
    space: SearchSpace,
    macs: Cost,
    low: float,
    high: float,
    n: int,
    rng: np.random.Generator,
    floor: Row | None,
    start: Row,
) -> Codes:
    """Archs that walkers meet who leave one arch of a band by mutations and stay in the band."""
    least = np.zeros_like(start) if floor is None else _least(space, floor)
    free = start < least
    walkers = np.repeat(start[None], WALKERS, axis=0)
    met = []
    every = max(1, ROUNDS // 2 // math.ceil(n / WALKERS))
    for i in range(ROUNDS):
        moved = space.genome.mutate(walkers, rng, rate=1 / len(space.columns))
        costs = np.asarray(macs(moved))
        taken = (low <= costs) & (costs <= high)
        taken &= (free | (moved == OFF) | (moved >= least)).all(axis=1)
        walkers = np.where(taken[:, None], moved, walkers).astype(np.int16)
        if i >= ROUNDS // 2 and i % every == 0:
            met.append(walkers)
    found: Codes = rng.permutation(np.concatenate(met))[:n]
    return found


def minimum_codes(space: SearchSpace, macs: Cost, smallest: Row, budgets: Sequence[float]) -> Codes:
    """For every budget the costliest arch within it of those that lie evenly between the smallest and the largest.

    All amounts of such an arch are about as far along their choices, so one of a larger budget has
    nowhere less than one of a smaller. A budget below the smallest arch gets the smallest.
    """
    numeric = {gene.name for gene in space.all_genes if is_numeric(gene)}
    tops = np.array([len(column.choices) - 1 if column.gene in numeric else OFF for column in space.columns])
    along = np.floor(np.linspace(0, 1, FINENESS)[:, None] * tops + 1e-9)
    codes = space.genome.repair(np.maximum(along, smallest).astype(np.int16))
    costs = np.asarray(macs(codes), dtype=np.float64)
    best = [int(np.where(costs <= budget, costs, -1.0).argmax()) if costs[0] <= budget else 0 for budget in budgets]
    found: Codes = codes[best]
    return found


def geometric_levels(least: float, most: float, count: int, band_width: float) -> list[float]:
    """Where `count` bands begin, in equal ratios: the first at the least MACs, the last ends at the most."""
    last = max(least, most / (1 + band_width) if band_width < 1 else most - band_width)
    return list(dict.fromkeys(float(level) for level in np.geomspace(least, last, count)))


def band_end(level: float, band_width: float) -> float:
    """Where the band of a level ends; a width below 1 is a share of the level, else MACs."""
    return float(math.ceil(level * (1 + band_width) if band_width < 1 else level + band_width))


def check_levels(levels: Sequence[float], least: float, most: float, name: str) -> None:
    """Refuses levels that do not rise, or that lie outside the space."""
    rising = all(a < b for a, b in itertools.pairwise(levels))
    if not levels or not rising or any(not least <= level <= most for level in levels):
        raise SettingsError(
            f"sampler '{name}': levels must be a number of them, at least 1, or rising MACs from {least:.6g} to "
            f"{most:.6g}, which the space reaches; got {list(levels)}"
        )
