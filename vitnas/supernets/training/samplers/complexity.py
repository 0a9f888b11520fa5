"""Complexity-aware sampling (ElasticViT): neighbouring steps train archs of similar cost."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vitnas.errors import SettingsError
from vitnas.search_spaces import Codes, SearchSpace
from vitnas.settings import Count, Natural, Positive, Probability
from vitnas.supernets.training.samplers.bands import (
    Band,
    Row,
    band_end,
    check_levels,
    geometric_levels,
    macs_of,
    minimum_codes,
    reach_of,
    tabulate,
)
from vitnas.supernets.training.samplers.sampler import Lesson
from vitnas.supernets.training.samplers.taught import Taught

_WALK = 3
"""Keeps the draws of the walk apart from all others."""
_STRIDE = 1024
"""Steps of the walk that are drawn at once."""
MINIMUM_SHARE = 0.55
"""MACs of a minimum arch, as a share of the lowest level it serves; the published ones have 0.54 and 0.58."""


class Complexity(Taught):
    """All archs of a step lie in one band of MACs, and from step to step the band moves by one level at most.

    The random archs learn from the labels or the training's teacher, a minimum arch that is smaller than all
    of them from their mean prediction. Levels lie in equal ratios between the least and the most MACs of the
    space, and they are cut into as many groups as there are minimum archs: the smallest arch for the lowest
    group, for each other one an arch in proportion whose MACs are about half of its lowest level. No random arch
    has any amount below its minimum arch's. In the first `label_share` of the steps all learn from the
    labels.

    All ranks train the same archs.
    """

    name = "complexity"

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        num_steps: int,
        num_random: Count = 3,
        levels: int | tuple[float, ...] = 8,
        band_width: Positive = 0.05,
        minimums: Count = 3,
        tabulated: Count = 2000,
        label_share: Probability = 1.0,
        label_steps: Natural | None = None,
    ) -> None:
        super().__init__(space, seed, num_steps, label_share, label_steps)
        self.num_random = num_random
        self.macs = macs_of(space)
        self.bands = self._tabulate(levels, band_width, minimums, tabulated)
        self._walk = lru_cache(maxsize=1)(self._walk_block)
        self._starts: list[int] = [int(np.random.default_rng([seed, _WALK]).integers(len(self.bands)))]

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        level = self.level(step)
        codes = self.pick(level, step, self.rng(step))
        pupil, *others = self.space.decode(np.concatenate([self.minimums[level][None], codes]))
        teachers = self.teachers(step, tuple(range(len(others))))
        return *(Lesson(arch) for arch in others), Lesson(pupil, teachers, "alpha")

    def pick(self, level: int, step: int, rng: np.random.Generator) -> Codes:
        """The random archs of a step."""
        return self.explore(level, self.num_random, rng)

    def explore(self, level: int, n: int, rng: np.random.Generator) -> Codes:
        """Random archs of a level."""
        table = self.bands[level].codes
        found: Codes = table[rng.integers(len(table), size=n)]
        return found

    def level(self, step: int) -> int:
        """Where the walk is: a step down, none or a step up, equally likely; what would leave the levels stays."""
        block, within = divmod(step, _STRIDE)
        while len(self._starts) <= block:
            self._starts.append(self._walk(len(self._starts) - 1)[-1])
        return self._walk(block)[within]

    def _walk_block(self, block: int) -> list[int]:
        """The levels of some steps, and the one after them."""
        at = self._starts[block]
        found = [at]
        for move in np.random.default_rng([self.seed, _WALK, 1 + block]).integers(-1, 2, size=_STRIDE):
            at = min(max(at + int(move), 0), len(self.bands) - 1)
            found.append(at)
        return found

    def _tabulate(self, levels: int | tuple[float, ...], band_width: float, minimums: int, n: int) -> list[Band]:
        reach = reach_of(self.space, self.macs)
        least, most = reach.least, reach.most
        if isinstance(levels, int):
            check_levels([least] * (levels > 0), least, most, self.name)
            places = geometric_levels(least, most, levels, band_width)
        else:
            check_levels(levels, least, most, self.name)
            places = list(levels)
        groups = [group for group in np.array_split(np.arange(len(places)), minimums) if len(group)]
        budgets = [0.0, *(MINIMUM_SHARE * places[group[0]] for group in groups[1:])]
        floors = minimum_codes(self.space, self.macs, reach.cheapest, budgets)
        self.minimums: list[Row] = []
        bands: list[Band] = []
        for floor, group in zip(floors, groups, strict=True):
            for i in group:
                end = min(band_end(places[i], band_width), most)
                band = tabulate(self.space, self.macs, places[i], end, n, (self.seed, int(i)), floor, reach)
                if band is None and not isinstance(levels, int):
                    raise SettingsError(
                        f"sampler '{self.name}': found no arch of space '{self.space.name}' with {places[i]:.6g} to "
                        f"{end:.6g} MACs; move that level, or make band_width larger"
                    )
                if band is not None:  # a small space may have no arch near a level that lies between
                    bands.append(band)
                    self.minimums.append(floor)
        return bands
