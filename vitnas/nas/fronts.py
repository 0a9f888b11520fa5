"""Fronts of a search: one over all its objectives, and one for each device as if it had been searched for alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from vitnas.nas.evaluator import Evaluator
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto import ParetoFront, Point
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
    devices: Sequence[str],
    sittings: Sittings | None = None,
    shared: Mapping[str, float] | None = None,
) -> ParetoFront:
    """What no other evaluated arch beats on one of several devices, in the words of a search for it alone."""
    mine, others = f"@{device}", tuple(f"@{name}" for name in devices if name != device)
    objectives = [Objective.named(name) for name in settings.objectives if not name.endswith(others)]
    limits = {name: most for name, most in settings.limits.items() if not name.endswith(others)}
    points = [_without(mine, point) for point in evaluator.points(objectives, limits)]
    alone = replace(
        settings,
        objectives=tuple(o.name.removesuffix(mine) for o in objectives),
        limits={name.removesuffix(mine): most for name, most in limits.items()},
    )

    def mine_alone(of: Mapping[str, T] | None) -> dict[str, T]:
        return {n.removesuffix(mine): what for n, what in (of or {}).items() if not n.endswith(others)}

    return _front(space, points, alone, {**origin, "device": device}, mine_alone(sittings), mine_alone(shared))


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


def _without(suffix: str, point: Point) -> Point:
    return Point(
        point.arch,
        {name.removesuffix(suffix): value for name, value in point.objectives.items()},
        {name.removesuffix(suffix): how for name, how in point.provenance.items()},
        {name.removesuffix(suffix): error for name, error in point.errors.items()},
        point.answers,
    )
