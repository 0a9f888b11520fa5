"""Sampler: plans the lessons of each training step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vitnas.search_spaces import Arch, SearchSpace

_STREAM = 1
"""Keeps the draws of a sampler apart from those of the batches (see `vitnas.supernets.data.batches`)."""


@dataclass(frozen=True)
class Lesson:
    """One forward and backward pass of a step.

    Attributes:
        arch: who learns.
        teachers: positions of earlier lessons in the same step whose mean prediction is the
            target; none means that the labels are, or the teacher network of the training.
        loss: the distance to what the teachers say: "soft" cross-entropy, or the adaptive
            "alpha"-divergence of AlphaNet.
        part: ``(i, k)``: learns from every k-th image of the batch, beginning with the i-th; its share of the step
            is 1/k. So processes that share a batch, and shares of it, agree on who learns from which image, wherever
            k divides them.
    """

    arch: Arch
    teachers: tuple[int, ...] = ()
    loss: Literal["soft", "alpha"] = "soft"
    part: tuple[int, int] = (0, 1)


class Sampler(ABC):
    """Plans the lessons of each step. All lessons of a step share one batch and one update.

    A plan follows from (seed, step, rank) and, for samplers that learn, from what was heard and observed before.
    The options of a sampler are the keywords of its constructor, plain values with defaults, whose annotations may
    state bounds, as those of settings do. `steps_per_epoch` and
    `num_steps` are no options: a sampler whose constructor names them is told.
    """

    parts = 1
    """In how many equal parts the lessons share a batch."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space = space
        self.seed = seed

    @abstractmethod
    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        """The lessons of a step, teachers before those they teach.

        Each rank of a world may train other archs; a sampler whose ranks must agree ignores which one asks.
        """

    def draw(self, n: int, step: int, rank: int = 0) -> list[Arch]:
        """`n` random archs for a step, every gene uniform among the choices that those before it allow."""
        return self.space.sample(n, self.rng(step, rank))

    def rng(self, step: int, rank: int = 0) -> np.random.Generator:
        """The generator of one step on one rank; every call gives it afresh."""
        return np.random.default_rng([self.seed, _STREAM, step, rank])

    def audition(self, step: int) -> tuple[Arch, ...]:
        """Archs whose loss from the labels on the images of this step `plan` wants to hear first, without a lesson."""
        return ()

    def hear(self, step: int, losses: Mapping[Arch, float]) -> None:  # noqa: B027
        """Hears the answer to `audition`: means over all ranks, once, before `plan`."""

    def observe(self, step: int, lessons: Sequence[Lesson], losses: Sequence[float]) -> None:  # noqa: B027
        """Hears the loss of every lesson from the labels, the mean over ranks, after the step was made."""

    def state(self) -> dict[str, Any]:
        """What was learnt so far, as plain JSON; goes into checkpoints."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Takes up what `state` gave."""
