"""The sandwich rule with in-place distillation (BigNAS)."""

from __future__ import annotations

from typing import Literal

from vitnas.search_spaces import SearchSpace
from vitnas.settings import Natural
from vitnas.supernets.training.samplers.sampler import Lesson, Sampler


class Sandwich(Sampler):
    """The largest arch learns from the labels; the smallest and some random ones learn from it.

    Distillation from the very first step, as published, holds a short training back: the pupils share
    their weights with a teacher that knows nothing yet, and pull it towards what it says. So for the
    first `label_steps` steps all learn from the labels; 0 gives the published rule.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        num_random: Natural = 2,
        label_steps: Natural = 300,
        distil: Literal["soft", "alpha"] = "soft",
    ) -> None:
        super().__init__(space, seed)
        self.num_random = num_random
        self.label_steps = label_steps
        self.distil = distil
        self._largest, self._smallest = space.largest(), space.smallest()

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        teachers = () if step < self.label_steps else (0,)
        pupils = (self._smallest, *self.draw(self.num_random, step, rank))
        return Lesson(self._largest), *(Lesson(arch, teachers, self.distil) for arch in pupils)
