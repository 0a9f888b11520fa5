"""Finalists: the points of a front are judged once more, where the search itself had to judge with less care."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vitnas.nas.execution.executor import Executor
from vitnas.nas.execution.together import Score, scored
from vitnas.nas.pareto.answers import ANSWERS
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.quantity import std_of
from vitnas.search_spaces import SearchSpace


def judged_again(front: ParetoFront, space: SearchSpace, score: Score, executor: Executor) -> ParetoFront:
    """The front with the figures of a more careful score, and without the points that are beaten by these.

    A point that this score fails on keeps the figures of the search, and says so.

    Args:
        front: of a search.
        space: of its archs.
        score: of the search; one with a method `for_finalists` says what judges more carefully, None if nothing does.
        executor: where it runs.
    """
    careful = getattr(score, "for_finalists", _none)()
    if careful is None:
        return front
    found = dict(scored(executor, careful, [point.arch for point in front.points]))
    points = [
        _with(point, dict(figures))
        if (figures := found[i].value) is not None
        else _kept(point, careful, found[i].error)
        for i, point in enumerate(front.points)
    ]
    return ParetoFront.of(
        space,
        front.objectives,
        points,
        seed=front.seed,
        config={**front.config, "finalists": str(careful)},
        versions=front.versions,
        shared=front.shared,
    )


def _with(point: Point, figures: dict[str, Any]) -> Point:
    objectives = {name: float(figures.get(name, value)) for name, value in point.objectives.items()}
    errors = dict(point.errors) | {n: float(figures[std_of(n)]) for n in objectives if std_of(n) in figures}
    return replace(point, objectives=objectives, errors=errors, answers=str(figures.get(ANSWERS, point.answers)))


def _kept(point: Point, careful: Score, error: str | None) -> Point:
    reason = (error or "no figures").strip().splitlines()[-1]
    return replace(point, caveat=f"its figures are those of the search, as it could not be {careful}: {reason}")


def _none() -> None:
    return None
