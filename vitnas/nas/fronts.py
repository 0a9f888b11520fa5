"""Fronts of a search: one over all its objectives, and one for each device as if it had been searched for alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from vitnas.nas.evaluator import Evaluator
from vitnas.nas.objectives import objectives_named
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.problem import Problem
from vitnas.nas.quantity import Quantity
from vitnas.nas.settings import SearchSettings
from vitnas.run import environment
from vitnas.search_spaces import FLOAT, Arch, Compressed, SearchSpace

T = TypeVar("T")
Sittings = Mapping[str, Mapping[str, Any]]
"""Latency quantity -> what its figures rest on, see `Measuring.sitting`; in the config of a front."""


def make_front(
    problem: Problem, evaluator: Evaluator, settings: SearchSettings, sittings: Sittings | None = None
) -> ParetoFront:
    """What no other evaluated arch beats in all objectives at once: archs that serve every device of the search."""
    return _front(problem, evaluator.points(), settings, sittings or {}, problem.shared)


def make_device_front(
    problem: Problem,
    evaluator: Evaluator,
    settings: SearchSettings,
    device: str,
    sittings: Sittings | None = None,
) -> ParetoFront:
    """What no other evaluated arch beats on one of several devices, in the words of a search for it alone."""
    mine = problem.on(device)
    points = [
        Point(
            point.arch,
            _alone(point.objectives, device),
            _alone(point.provenance, device),
            _alone(point.errors, device),
            point.answers,
        )
        for point in evaluator.points(mine)
    ]
    alone = replace(
        mine,
        objectives=objectives_named(str(o.quantity.without_device) for o in mine.objectives),
        maxima=_alone(mine.maxima, device),
        origin={**problem.origin, "device": device},
    )
    return _front(alone, points, settings, _alone(sittings or {}, device), _alone(problem.shared, device))


def _alone(figures: Mapping[str, T], device: str) -> dict[str, T]:
    """What concerns a device, by the names of a search for it alone."""
    quantities = {name: Quantity.parse(name) for name in figures}
    return {str(q.without_device): figures[name] for name, q in quantities.items() if q.concerns(device)}


def _front(
    problem: Problem,
    points: Sequence[Point],
    settings: SearchSettings,
    sittings: Sittings,
    shared: Mapping[str, float],
) -> ParetoFront:
    weighed = {"objectives": [o.name for o in problem.objectives], "limits": dict(problem.maxima)}
    rests_on = {"sittings": {name: dict(what) for name, what in sittings.items()}} if sittings else {}
    here = environment()
    return ParetoFront.of(
        problem.space,
        problem.objectives,
        points,
        seed=settings.seed,
        config={**settings.deciding(), **weighed, **rests_on, "origin": dict(problem.origin)},
        versions={key: here[key] for key in ("vitnas", "python", "packages")},
        shared=shared,
    )


def archs_to_begin_with(place: Path, space: SearchSpace) -> list[Arch]:
    """Archs to begin with; those of the space without precisions are taken in float, and at the fewest bits."""
    file = place / "front.json" if place.is_dir() else place
    front = ParetoFront.load(file)
    archs = [point.arch for point in front.points]
    if isinstance(space, Compressed) and front.space == space.base.name:
        front.check(space.base, file)
        return [space.compress(arch, name) for arch in archs for name in (space.menu[0], FLOAT.name)]
    front.check(space, file)
    return archs
