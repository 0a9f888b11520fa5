"""Fronts of a search: one over all its objectives, and one for each device as if it had been searched for alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vitnas.nas.evaluator import Evaluator
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto import ParetoFront, Point
from vitnas.nas.settings import SearchSettings
from vitnas.run import environment
from vitnas.search_spaces import SearchSpace


def make_front(
    space: SearchSpace, evaluator: Evaluator, settings: SearchSettings, origin: Mapping[str, str]
) -> ParetoFront:
    """What no other evaluated arch beats in all objectives at once: archs that serve every device of the search."""
    objectives = [Objective.named(name) for name in settings.objectives]
    return _front(space, evaluator.points(objectives, settings.limits), settings, origin)


def make_device_front(
    space: SearchSpace,
    evaluator: Evaluator,
    settings: SearchSettings,
    origin: Mapping[str, str],
    device: str,
    devices: Sequence[str],
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
    return _front(space, points, alone, {**origin, "device": device})


def _front(
    space: SearchSpace, points: Sequence[Point], settings: SearchSettings, origin: Mapping[str, str]
) -> ParetoFront:
    here = environment()
    return ParetoFront.of(
        space,
        [Objective.named(name) for name in settings.objectives],
        points,
        seed=settings.seed,
        config={**settings.deciding(), "origin": dict(origin)},
        versions={key: here[key] for key in ("vitnas", "python", "packages")},
    )


def _without(suffix: str, point: Point) -> Point:
    return Point(
        point.arch,
        {name.removesuffix(suffix): value for name, value in point.objectives.items()},
        {name.removesuffix(suffix): how for name, how in point.provenance.items()},
        {name.removesuffix(suffix): error for name, error in point.errors.items()},
    )
