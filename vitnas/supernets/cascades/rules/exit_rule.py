"""ExitRule: the score of an answer, computed inside the part that gives it, so that whoever runs the part only compares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from vitnas.errors import InvalidArchError


class ExitRule(nn.Module, ABC):
    """(B, classes) -> (B), from 0, unsure, to 1, sure. A subclass that learns says how many weights it has."""

    name: ClassVar[str]

    def __init__(self, classes: int, weights: Sequence[float] = ()) -> None:
        super().__init__()
        if len(weights) != self.num_weights(classes):
            raise InvalidArchError(
                f"rule '{self.name}' for {classes} classes has {self.num_weights(classes)} weights, got {len(weights)}; "
                "choose the cascade anew with `vitnas cascade`"
            )

    @classmethod
    def num_weights(cls, classes: int) -> int:
        return 0

    @classmethod
    def fit(cls, logits: Tensor, gains: Tensor) -> tuple[float, ...]:
        """The weights with which the rule tells best which images are to be answered here; none for one that learns nothing.

        Args:
            logits: (N, classes).
            gains: (N,), what answering here is worth more than the best that a later arch gives; below 0 it is worth less.
        """
        return ()

    @abstractmethod
    def forward(self, logits: Tensor) -> Tensor: ...
