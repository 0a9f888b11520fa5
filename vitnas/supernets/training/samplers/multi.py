"""Several archs in one step, each on its part of the batch (ViT-ResNAS)."""

from __future__ import annotations

from functools import lru_cache

from vitnas.search_spaces import SearchSpace
from vitnas.settings import Count, Probability
from vitnas.supernets.training.samplers.sampler import Lesson, Sampler


class Multi(Sampler):
    """Random archs share a batch; none is taught by another and none need be the largest.

    At first every gene has its largest choice alone, and the smaller ones join one by one, the last at the end of
    the warm-up: of K choices ``min(K, 1 + floor(step * (K - 1) / warm-up steps))`` are allowed. Ranks may
    draw archs of their own.
    """

    def __init__(
        self, space: SearchSpace, seed: int, *, num_steps: int, num_archs: Count = 2, warmup: Probability = 0.25
    ) -> None:
        super().__init__(space, seed)
        self.num_archs = self.parts = num_archs
        self.warmup_steps = round(warmup * num_steps)
        self._most = max(len(gene.choices) for gene in space.all_genes)
        self._allowed = lru_cache(maxsize=2)(self._restrict)

    def num_allowed(self, num_choices: int, step: int) -> int:
        """How many choices a gene has at a step, counted from the largest."""
        if step >= self.warmup_steps:
            return num_choices
        return min(num_choices, 1 + step * (num_choices - 1) // self.warmup_steps)

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        counts = tuple(self.num_allowed(len(column.choices), step) for column in self.space.columns)
        archs = self._allowed(counts).sample(self.num_archs, self.rng(step, rank))
        return tuple(Lesson(arch, part=(i, self.num_archs)) for i, arch in enumerate(archs))

    def _restrict(self, counts: tuple[int, ...]) -> SearchSpace:
        columns = zip(self.space.columns, counts, strict=True)
        only = {column.name: column.choices[-n:] for column, n in columns if n < len(column.choices)}
        return self.space.restrict(**only) if only else self.space
