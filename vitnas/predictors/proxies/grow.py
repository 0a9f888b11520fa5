"""As-ViT's automatic scaling (Chen et al., 2022): from a small arch to a family up to a budget, without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from vitnas.errors import SearchError
from vitnas.search_spaces import OFF, Arch, Codes, SearchSpace

DEFAULT_PROXIES = ("ntk", "length-distortion")
WIDER = 4
"""Most choices that the widths take in one step, as the published four factors of 1.05 to 1.2."""

Cost = Callable[[Codes], NDArray[np.float64]]


@dataclass(frozen=True)
class Grown:
    """One member of the family: what it costs, and how it compared with the other ways to grow.

    Attributes:
        arch: the network.
        cost: in the unit of the budget.
        scores: by the names of the proxies; none of the seed.
    """

    arch: Arch
    cost: float
    scores: dict[str, float]


def grow(
    space: SearchSpace,
    seed_arch: Arch,
    budget: float,
    cost: Cost,
    proxies: Sequence[str] = DEFAULT_PROXIES,
    seed: int = 0,
    scores: Callable[[Sequence[Arch]], dict[str, NDArray[np.float64]]] | None = None,
) -> list[Grown]:
    """Grows depth and width step by step, taking the best sum of ranks each time, until nothing fits the budget.

    A step makes one stage deeper by one choice, or none, and all widths wider by up to four choices. Each step
    compares fresh networks of one seed. Equal sums of ranks go to the lower cost, then to the earlier candidate. What
    lies above a deeper stage's new blocks starts as the last block before them.

    Args:
        space: with genes whose names begin with ``depth`` or ``width``.
        seed_arch: where to begin; all genes that are neither depth nor width stay as they are.
        budget: never exceeded.
        cost: of ``(n, columns)`` codes, in the unit of the budget, such as the parameters of a `PopulationCounter` or
            the latencies of a table.
        proxies: whose ranks are added up.
        seed: of the networks and images.
        scores: what to rank by instead of proxies, one array of higher-is-better scores each.
    """
    space.check(seed_arch)
    if not _columns(space, "depth") and not _columns(space, "width"):
        raise SearchError(f"space '{space.name}' has no gene named depth... or width..., so there is nothing to grow")
    row = space.encode([seed_arch])[0]
    spent = float(cost(row[None])[0])
    if spent > budget:
        raise SearchError(
            f"the seed {seed_arch.id} costs {spent:g} already, over the budget of {budget:g}; start smaller"
        )
    family = [Grown(seed_arch, spent, {})]
    while True:
        codes = candidates(space, row)
        costs = cost(codes) if len(codes) else np.zeros(0)
        fits = (costs <= budget) & (costs > spent)
        codes, costs = codes[fits], costs[fits]
        if not len(codes):
            return family
        archs = space.decode(codes)
        found = _by_proxies(space, archs, proxies, seed) if scores is None else scores(archs)
        ranks = np.sum([rankdata(-values, method="min") for values in found.values()], axis=0)
        best = int(np.lexsort((costs, ranks))[0])
        row, spent = codes[best], float(costs[best])
        family.append(Grown(archs[best], spent, {name: float(values[best]) for name, values in found.items()}))


def _by_proxies(
    space: SearchSpace, archs: Sequence[Arch], proxies: Sequence[str], seed: int
) -> dict[str, NDArray[np.float64]]:
    from vitnas.predictors.proxies.scoring import score_archs  # needs torch, which searchers do without

    return score_archs(space, archs, proxies, seed)


def candidates(space: SearchSpace, row: NDArray[np.int16]) -> Codes:
    """Every way to take one step from a row of codes, no two alike."""
    depths, widths = _columns(space, "depth"), _columns(space, "width")
    found = []
    for deeper in (None, *depths):
        for wider in range(WIDER + 1):
            new = row.copy()
            if deeper is not None:
                if new[deeper] == OFF or new[deeper] + 1 >= len(space.columns[deeper].choices):
                    continue
                new[deeper] += 1
            for column in widths:
                if new[column] != OFF:
                    new[column] = min(new[column] + wider, len(space.columns[column].choices) - 1)
            found.append(_like_the_block_before(space, row, new))
    codes = space.genome.repair(np.array(found, dtype=np.int16).reshape(-1, len(row)))
    kept = [i for i, code in enumerate(codes) if (code != row).any() and not (codes[:i] == code).all(axis=1).any()]
    new_codes: Codes = codes[kept]
    return new_codes


def _columns(space: SearchSpace, word: str) -> list[int]:
    """Places of the genes of the whole network or of a stage that begin with a word."""
    return [i for i, c in enumerate(space.columns) if c.gene.split(".")[0] == word and len(c.choices) > 1]


def _like_the_block_before(space: SearchSpace, row: NDArray[np.int16], new: NDArray[np.int16]) -> NDArray[np.int16]:
    """Genes of blocks that were off take the values of the block before, where that is allowed."""
    filled = new.copy()
    last: dict[str, int] = {}
    for i, column in enumerate(space.columns):
        if column.position is None:
            continue
        if row[i] != OFF:
            last[column.gene] = int(row[i])
        elif (
            column.gene in last
            and column.parent is not None
            and column.allowed[filled[column.parent], last[column.gene]]
        ):
            filled[i] = last[column.gene]
    return filled
