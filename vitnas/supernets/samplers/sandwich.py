"""The sandwich rule with in-place distillation (BigNAS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from vitnas.search_spaces import SearchSpace
from vitnas.supernets.samplers.sampler import Lesson, Sampler

if TYPE_CHECKING:
    from vitnas.supernets.train_settings import TrainSettings


class Sandwich(Sampler):
    """The largest arch learns from the labels; the smallest and some random ones learn from it.

    Distillation from the very first step, as published, holds a short training back: the pupils share
    their weights with a teacher that knows nothing yet, and pull it towards what it says. So for the
    first `label_steps` steps all learn from the labels; 0 gives the published rule.
    """

    def __init__(self, space: SearchSpace, seed: int, num_random: int = 2, label_steps: int = 0) -> None:
        super().__init__(space, seed)
        self.num_random = num_random
        self.label_steps = label_steps
        self._largest, self._smallest = space.largest(), space.smallest()

    @classmethod
    def from_settings(cls, space: SearchSpace, settings: TrainSettings) -> Self:
        return cls(space, settings.seed, settings.num_random, settings.label_steps)

    def plan(self, step: int) -> tuple[Lesson, ...]:
        teachers = () if step < self.label_steps else (0,)
        pupils = (self._smallest, *self.draw(self.num_random, step))
        return Lesson(self._largest), *(Lesson(arch, teachers) for arch in pupils)
