"""Sampler: plans the lessons of each training step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from vitnas.search_spaces import Arch, SearchSpace

if TYPE_CHECKING:
    from vitnas.supernets.train_settings import TrainSettings

_STREAM = 1
"""Keeps the draws of a sampler apart from those of the batches (see `vitnas.supernets.batches`)."""


@dataclass(frozen=True)
class Lesson:
    """One forward and backward pass of a step.

    Attributes:
        arch: who learns.
        teachers: positions of earlier lessons in the same step whose mean prediction is the
            target; none means that the labels are.
    """

    arch: Arch
    teachers: tuple[int, ...] = ()


class Sampler(ABC):
    """Plans the lessons of each step. All lessons of a step share one batch and one update.

    A plan follows from (seed, step) and, for samplers that learn, from what was observed before.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space = space
        self.seed = seed

    @classmethod
    def from_settings(cls, space: SearchSpace, settings: TrainSettings) -> Self:
        """The sampler that these settings ask for; one with options of its own overrides this."""
        return cls(space, settings.seed)

    @abstractmethod
    def plan(self, step: int) -> tuple[Lesson, ...]:
        """The lessons of a step, teachers before those they teach."""

    def draw(self, n: int, step: int) -> list[Arch]:
        """`n` random archs for a step, every gene uniform among the choices that those before it allow."""
        return self.space.sample(n, np.random.default_rng([self.seed, _STREAM, step]))

    def observe(self, step: int, losses: Sequence[float]) -> None:  # noqa: B027
        """Hears the loss of every lesson after the step was made."""

    def state(self) -> dict[str, Any]:
        """What was learnt so far, as plain JSON; goes into checkpoints."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Takes up what `state` gave."""
