"""Nested granularities (MatFormer): the same few sizes in every step, each a part of the next."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vitnas.errors import SettingsError
from vitnas.search_spaces import OFF, Arch, SearchSpace
from vitnas.settings import Count
from vitnas.supernets.training.samplers.gene_roles import gene_roles, is_numeric
from vitnas.supernets.training.samplers.sampler import Lesson, Sampler


class Nested(Sampler):
    """The largest arch with everything within its layers, and their widths, cut to one of a few granularities.

    At granularity g of G every amount that changes no number of layers and no size of maps takes the choice that
    lies g / (G - 1) of the way from its first to its last; everything else stays largest. All granularities
    learn from the labels in every step, or one of them does, drawn with the probabilities `shares`.
    Mixes of granularities are never trained; they come for free.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        granularities: Count = 4,
        mix: Literal["all", "one"] = "all",
        shares: tuple[float, ...] = (),
    ) -> None:
        bad = len(shares) != granularities or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6
        if shares and (bad or mix == "all"):
            raise SettingsError(
                f"sampler 'nested': shares are for mix = \"one\", a probability for each of {granularities} "
                f"granularities, and add up to 1; got {list(shares)} with mix = {mix!r}"
            )
        super().__init__(space, seed)
        self.mix = mix
        self.shares = np.array(shares or [1 / granularities] * granularities, dtype=np.float64)
        self.archs = nested_archs(space, granularities)

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        if self.mix == "all":
            return tuple(Lesson(arch) for arch in dict.fromkeys(self.archs))
        chosen = self.rng(step, rank).choice(len(self.archs), p=self.shares / self.shares.sum())
        return (Lesson(self.archs[int(chosen)]),)


def nested_archs(space: SearchSpace, granularities: int) -> list[Arch]:
    """The arch of every granularity, the smallest first; where genes have few choices, some are the same."""
    roles = gene_roles(space)
    cut = {gene.name for gene in space.all_genes if is_numeric(gene) and roles.get(gene.name) in ("width", "inner")}
    largest = space.encode([space.largest()])[0]
    rows = []
    for g in range(granularities):
        way = g / (granularities - 1) if granularities > 1 else 1.0
        codes = [
            round(way * (len(column.choices) - 1)) if column.gene in cut and code != OFF else code
            for column, code in zip(space.columns, largest, strict=True)
        ]
        rows.append(codes)
    return space.decode(np.array(rows, dtype=np.int16))
