"""Always the same arch: training one network, with all that training a supernet can do."""

from __future__ import annotations

from pathlib import Path

from vitnas.files import read_json
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.training.samplers.sampler import Lesson, Sampler


class Single(Sampler):
    """One arch learns from the labels in every step: that of the file `arch`, or else the largest."""

    def __init__(self, space: SearchSpace, seed: int, arch: str = "") -> None:
        super().__init__(space, seed)
        self.arch = space.check(Arch.from_json(read_json(Path(arch)))) if arch else space.largest()

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        return (Lesson(self.arch),)
