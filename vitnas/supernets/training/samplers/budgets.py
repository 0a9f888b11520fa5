"""Budgets: the range of MACs of a space cut into groups, how often each comes, and some archs of it."""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np

from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.training.samplers.bands import macs_of, reach_of, tabulate

_POOL = 20_000
"""Archs that tell how MACs are distributed."""


class Budgets:
    """Groups of archs, equally wide in MACs.

    Attributes:
        bands: the groups that ever come, from the least to the most MACs.
        shares: how often each comes.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        groups: int,
        tabulated: int,
        weigh: Literal["distinct", "drawn", "even"],
    ) -> None:
        """Tabulates every group that ever comes.

        Args:
            space: to be cut.
            seed: of the draws.
            groups: how many.
            tabulated: archs that are kept of each.
            weigh: whether groups come as often as "distinct" archs have their MACs, or as archs "drawn" gene by
                gene have them, or "even"-ly.
        """
        self.space = space
        macs, rng = macs_of(space), np.random.default_rng([seed, _POOL])
        reach = reach_of(space, macs)
        edges = np.linspace(reach.least, reach.most, groups + 1 if reach.most > reach.least else 2)
        draw = space.genome.sample if weigh == "drawn" else space.genome.sample_evenly
        costs = np.asarray(macs(draw(_POOL, rng)), dtype=np.float64)
        place = np.clip(np.searchsorted(edges, costs, side="right") - 1, 0, len(edges) - 2)
        weights = np.ones(len(edges) - 1) if weigh == "even" else np.bincount(place, minlength=len(edges) - 1)
        self.bands, kept = [], []
        for i, (low, high) in enumerate(itertools.pairwise(edges)):
            at_end = reach if i in (0, len(edges) - 2) else None
            band = None
            if weights[i]:
                band = tabulate(space, macs, float(low), float(high), tabulated, (seed, i), reach=at_end)
            if band is not None:
                self.bands.append(band)
                kept.append(weights[i])
        self.shares = np.array(kept, dtype=np.float64) / sum(kept)

    def draw_group(self, rng: np.random.Generator) -> int:
        """A group, as often as it comes."""
        return int(rng.choice(len(self.bands), p=self.shares))

    def draw(self, group: int, n: int, rng: np.random.Generator) -> list[Arch]:
        """Random archs of a group."""
        table = self.bands[group].codes
        return self.space.decode(table[rng.integers(len(table), size=n)])
