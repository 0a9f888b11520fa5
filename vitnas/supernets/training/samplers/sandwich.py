"""The sandwich rule with in-place distillation (BigNAS)."""

from __future__ import annotations

from typing import Literal

from vitnas.search_spaces import SearchSpace
from vitnas.settings import Natural, Probability
from vitnas.supernets.training.samplers.sampler import Lesson
from vitnas.supernets.training.samplers.taught import Taught


class Sandwich(Taught):
    """The largest arch learns from the labels; the smallest and some random ones learn from it.

    Distillation from the very first step, as published, holds a short training back: the pupils share
    their weights with a teacher that knows little, and pull it towards what it says. So in the first
    `label_share` of the steps all learn from the labels; 0 gives the published rule.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        num_steps: int,
        num_random: Natural = 2,
        label_share: Probability = 1.0,
        label_steps: Natural | None = None,
        distil: Literal["soft", "alpha"] = "soft",
    ) -> None:
        super().__init__(space, seed, num_steps, label_share, label_steps)
        self.num_random = num_random
        self.distil = distil
        self._largest, self._smallest = space.largest(), space.smallest()

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        teachers = self.teachers(step, (0,))
        pupils = (self._smallest, *self.draw(self.num_random, step, rank))
        return Lesson(self._largest), *(Lesson(arch, teachers, self.distil) for arch in pupils)
