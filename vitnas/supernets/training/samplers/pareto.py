"""Pareto-aware sampling (AttentiveNAS): of a few archs of the same cost, the best or the worst is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from vitnas.search_spaces import Arch, SearchSpace
from vitnas.settings import Count, Natural, Probability
from vitnas.supernets.training.samplers.budgets import Budgets
from vitnas.supernets.training.samplers.sampler import Lesson
from vitnas.supernets.training.samplers.taught import Taught


class Pareto(Taught):
    """The sandwich rule with chosen archs in place of the random ones.

    For each of `num_random` archs a budget of MACs is drawn as often as random archs have it, then
    `candidates` archs near it. Their losses on the step's images are heard, and the one with the
    lowest ("best") or the highest ("worst") learns from the largest arch. In the first `label_share` of the steps all
    learn from the labels. All ranks train the same archs.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        num_steps: int,
        num_random: Count = 2,
        candidates: Count = 3,
        keep: Literal["best", "worst"] = "best",
        groups: Count = 20,
        tabulated: Count = 1000,
        label_share: Probability = 1.0,
        label_steps: Natural | None = None,
        distil: Literal["soft", "alpha"] = "soft",
    ) -> None:
        super().__init__(space, seed, num_steps, label_share, label_steps)
        self.num_random = num_random
        self.candidates = candidates
        self.keep = keep
        self.distil = distil
        self.budgets = Budgets(space, seed, groups, tabulated, "drawn")
        self._largest, self._smallest = space.largest(), space.smallest()
        self._heard: Mapping[Arch, float] = {}

    def draws(self, step: int) -> list[list[Arch]]:
        """The candidates of a step, those of one budget together."""
        rng = self.rng(step)
        groups = [self.budgets.draw_group(rng) for _ in range(self.num_random)]
        return [self.budgets.draw(group, self.candidates, rng) for group in groups]

    def audition(self, step: int) -> tuple[Arch, ...]:
        return tuple(dict.fromkeys(arch for draws in self.draws(step) for arch in draws))

    def hear(self, step: int, losses: Mapping[Arch, float]) -> None:
        self._heard = dict(losses)

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        teachers = self.teachers(step, (0,))
        sign = 1 if self.keep == "best" else -1
        chosen = [min(draws, key=lambda arch: sign * self._heard.get(arch, 0.0)) for draws in self.draws(step)]
        return Lesson(self._largest), *(Lesson(arch, teachers, self.distil) for arch in (self._smallest, *chosen))
