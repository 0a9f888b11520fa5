"""Stopping evaluations early: what accuracy an arch needs to matter, and what is known of one that cannot reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.nas.problem import Problem

Floats = NDArray[np.float64]

ACCURACY = "accuracy"
AT_MOST, SEEN = "accuracy_at_most", "images_seen"
"""What a score gives in the place of figures for an arch that it stopped."""


@dataclass(frozen=True)
class StoppedEarly:
    """What is known of an arch whose evaluation was stopped.

    Attributes:
        accuracy_at_most: its accuracy if all images that it has not seen were named right.
        images_seen: how many it has seen.
    """

    accuracy_at_most: float
    images_seen: int

    @classmethod
    def read(cls, figures: Mapping[str, object]) -> StoppedEarly | None:
        """From what a score or a study tells; None where an evaluation went to its end."""
        if AT_MOST not in figures:
            return None
        return cls(float(figures[AT_MOST]), int(figures[SEEN]))  # type: ignore[arg-type, call-overload]

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    def __str__(self) -> str:
        return f"accuracy at most {self.accuracy_at_most:.4f}, after {self.images_seen} images"


def least_accuracies(accuracies: Floats, costs: Floats, new: Floats) -> Floats:
    """``(m,)``: the accuracy below which each new arch is beaten, whatever else is found; 0 where nothing beats it yet.

    That of the best arch which costs no more in anything. An arch that reaches it exactly is not beaten by it.

    Args:
        accuracies: ``(n,)`` of archs that were evaluated to the end and keep the limits.
        costs: ``(n, k)`` of these.
        new: ``(m, k)`` costs of the archs to judge.
    """
    if not len(accuracies):
        return np.zeros(len(new))
    no_dearer = (costs[None] <= new[:, None]).all(axis=2)
    found: Floats = np.where(no_dearer, accuracies[None], 0.0).max(axis=1)
    return found


def check_early(problem: Problem, score: object, measured: bool) -> None:
    """Refuses a search in which a stopped arch could have mattered after all, or whose score cannot stop.

    Args:
        problem: its objectives and costs.
        score: which evaluates, or its class.
        measured: whether latencies may change while it runs.
    """
    evaluated = [o.name for o in problem.objectives if o.name not in problem.costs]
    if evaluated != [ACCURACY]:
        raise SearchError(
            f"[search] stop_early goes by the accuracy alone, but this search evaluates {evaluated}; leave out stop_early, or "
            "the other objectives"
        )
    if measured:
        raise SearchError(
            "[search] stop_early needs costs that stay what the tables say, but this search measures latencies; give "
            "--no-measure, or leave out stop_early"
        )
    if not hasattr(score, "unless_beaten"):
        raise SearchError(
            "[search] stop_early needs the supernet of a run, which looks at one image after the other; give one with "
            "--run, or leave out stop_early"
        )
