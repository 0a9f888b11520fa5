"""Fronts of a search: one over all its objectives, and one for each device as if it had been searched for alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from vitnas.nas.evaluator import Evaluator
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto import ParetoFront, Point
from vitnas.nas.quantity import Quantity
from vitnas.nas.settings import SearchSettings
from vitnas.run import environment
from vitnas.search_spaces import SearchSpace

T = TypeVar("T")
Sittings = Mapping[str, Mapping[str, Any]]
"""Latency quantity -> what its figures rest on, see `Measuring.sitting`; in the config of a front."""


def make_front(
    space: SearchSpace,
    evaluator: Evaluator,
    settings: SearchSettings,
    origin: Mapping[str, str],
    sittings: Sittings | None = None,
    shared: Mapping[str, float] | None = None,
) -> ParetoFront:
    """What no other evaluated arch beats in all objectives at once: archs that serve every device of the search."""
    objectives = [Objective.named(name) for name in settings.objectives]
    points = evaluator.points(objectives, settings.limits)
    return _front(space, points, settings, origin, sittings or {}, shared or {})


def make_device_front(
    space: SearchSpace,
    evaluator: Evaluator,
    settings: SearchSettings,
    origin: Mapping[str, str],
    device: str,
    sittings: Sittings | None = None,
    shared: Mapping[str, float] | None = None,
) -> ParetoFront:
    """What no other evaluated arch beats on one of several devices, in the words of a search for it alone."""
    objectives = [Objective.named(name) for name in settings.objectives if Quantity.parse(name).concerns(device)]
    limits = {name: most for name, most in settings.limits.items() if Quantity.parse(name).concerns(device)}
    points = [
        Point(
            point.arch,
            _alone(point.objectives, device),
            _alone(point.provenance, device),
            _alone(point.errors, device),
            point.answers,
        )
        for point in evaluator.points(objectives, limits)
    ]
    alone = replace(
        settings,
        objectives=tuple(str(o.quantity.without_device) for o in objectives),
        limits=_alone(limits, device),
    )
    own = {**origin, "device": device}
    return _front(space, points, alone, own, _alone(sittings or {}, device), _alone(shared or {}, device))


def _alone(figures: Mapping[str, T], device: str) -> dict[str, T]:
    """What concerns a device, by the names of a search for it alone."""
    quantities = {name: Quantity.parse(name) for name in figures}
    return {str(q.without_device): figures[name] for name, q in quantities.items() if q.concerns(device)}


def _front(
    space: SearchSpace,
    points: Sequence[Point],
    settings: SearchSettings,
    origin: Mapping[str, str],
    sittings: Sittings,
    shared: Mapping[str, float],
) -> ParetoFront:
    rests_on = {"sittings": {name: dict(what) for name, what in sittings.items()}} if sittings else {}
    here = environment()
    return ParetoFront.of(
        space,
        [Objective.named(name) for name in settings.objectives],
        points,
        seed=settings.seed,
        config={**settings.deciding(), **rests_on, "origin": dict(origin)},
        versions={key: here[key] for key in ("vitnas", "python", "packages")},
        shared=shared,
    )
