"""Objectives: what a search weighs, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.quantity import Direction, Quantity


@dataclass(frozen=True)
class Objective:
    """A quantity by name, with its unit in the name, and the direction that is better."""

    name: str
    direction: Direction

    @classmethod
    def named(cls, name: str) -> Objective:
        return cls(name, Quantity.parse(name).direction)

    @property
    def quantity(self) -> Quantity:
        return Quantity.parse(self.name)

    @property
    def sign(self) -> float:
        """Turns values into ones to minimise, and back."""
        return -1.0 if self.direction == "maximise" else 1.0


def objectives_named(names: Iterable[str]) -> tuple[Objective, ...]:
    """The objectives of these names, each with the direction that its quantity has."""
    return tuple(Objective.named(name) for name in names)


def non_dominated(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows of ``(n, k)`` values, all to minimise, no other row beats; equal rows all stay."""
    from moocore import is_nondominated  # type: ignore[import-untyped]

    # It compares wrongly with infinities where there are three columns or more.
    largest = np.finfo(np.float64).max
    finite = np.clip(np.asarray(values, dtype=np.float64), -largest, largest)
    return np.asarray(is_nondominated(finite, keep_weakly=True), dtype=np.bool_)


def to_minimise(columns: Sequence[NDArray[np.float64]], objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """``(n, k)`` from one array an objective, each with its better side down."""
    return np.stack(
        [o.sign * np.asarray(c, dtype=np.float64) for o, c in zip(objectives, columns, strict=True)], axis=1
    )
