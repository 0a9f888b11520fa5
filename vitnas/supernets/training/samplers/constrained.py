"""Resource-constrained sampling (SN-Net V2): first a budget, then an arch that spends it."""

from __future__ import annotations

from typing import Literal

from vitnas.search_spaces import SearchSpace
from vitnas.settings import Count
from vitnas.supernets.training.samplers.budgets import Budgets
from vitnas.supernets.training.samplers.sampler import Lesson, Sampler


class Constrained(Sampler):
    """One arch a step, from a group of archs with similar MACs, learning from the labels.

    The group comes as often as the space has archs there, or every group as often as any other. All ranks share
    the group of a step, so that none waits for another, and draw archs of their own in it.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        groups: Count = 20,
        budgets: Literal["space", "even"] = "space",
        tabulated: Count = 1000,
    ) -> None:
        super().__init__(space, seed)
        self.budgets = Budgets(space, seed, groups, tabulated, "distinct" if budgets == "space" else "even")

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        group = self.budgets.draw_group(self.rng(step))
        (arch,) = self.budgets.draw(group, 1, self.rng(step, 1 + rank))
        return (Lesson(arch),)
