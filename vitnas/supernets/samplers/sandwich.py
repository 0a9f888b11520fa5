"""The sandwich rule with in-place distillation (BigNAS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from vitnas.search_spaces import SearchSpace
from vitnas.supernets.samplers.sampler import Lesson, Sampler

if TYPE_CHECKING:
    from vitnas.supernets.train_settings import TrainSettings


class Sandwich(Sampler):
    """The largest arch learns from the labels; the smallest and some random ones learn from it."""

    def __init__(self, space: SearchSpace, seed: int, num_random: int = 2) -> None:
        super().__init__(space, seed)
        self.num_random = num_random
        self._largest = Lesson(space.largest())
        self._smallest = Lesson(space.smallest(), teachers=(0,))

    @classmethod
    def from_settings(cls, space: SearchSpace, settings: TrainSettings) -> Self:
        return cls(space, settings.seed, settings.num_random)

    def plan(self, step: int) -> tuple[Lesson, ...]:
        between = (Lesson(arch, teachers=(0,)) for arch in self.draw(self.num_random, step))
        return self._largest, self._smallest, *between
