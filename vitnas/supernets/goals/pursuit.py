"""Pursuit: a goal as one training pursues it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from vitnas.search_spaces.answers import CLASS
from vitnas.supernets.goals import Goal, goal_of
from vitnas.supernets.goals.emphasis import PLAIN, Emphasis


@dataclass(frozen=True, eq=False)
class Pursuit:
    """What lessons lower.

    Attributes:
        goal: what is asked.
        emphasis: how the training weighs classes.
    """

    goal: Goal = field(default_factory=lambda: goal_of(CLASS))
    emphasis: Emphasis = PLAIN

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Of answers to images whose truth is known."""
        return self.goal.loss(logits, target, self.emphasis)


ONE_CLASS = Pursuit()
