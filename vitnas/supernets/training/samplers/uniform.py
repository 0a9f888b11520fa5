"""One random arch a step (AutoFormer; single-path one-shot)."""

from __future__ import annotations

from vitnas.supernets.training.samplers.sampler import Lesson, Sampler


class Uniform(Sampler):
    """One arch a step, each gene drawn uniformly, learning from the labels."""

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        return tuple(Lesson(arch) for arch in self.draw(1, step, rank))
