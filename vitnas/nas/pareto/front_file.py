"""FrontFile: a front.json as it lies on the disk, and the checks of what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from vitnas.errors import SearchError
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.answers import Answers
from vitnas.nas.pareto.cascade_point import CascadePoint
from vitnas.nas.pareto.point import Point, Provenance
from vitnas.nas.quantity import Direction
from vitnas.search_spaces import Arch


class FrontFile(msgspec.Struct, forbid_unknown_fields=True):
    """A front.json as it lies on the disk."""

    class ObjectiveEntry(msgspec.Struct, forbid_unknown_fields=True):
        name: str
        direction: Direction

    class PointEntry(msgspec.Struct, forbid_unknown_fields=True):
        id: str
        arch: dict[str, Any]
        objectives: dict[str, float]
        provenance: dict[str, Provenance]
        errors: dict[str, float] = msgspec.field(default_factory=dict)
        answers: str = ""
        caveat: str = ""

    class CascadeEntry(msgspec.Struct, forbid_unknown_fields=True):
        cascade: dict[str, Any]
        objectives: dict[str, float]
        provenance: dict[str, Provenance]
        errors: dict[str, float]

    format: str
    space: str
    fingerprint: str
    seed: int
    objectives: list[FrontFile.ObjectiveEntry]
    points: list[FrontFile.PointEntry]
    config: dict[str, Any]
    versions: dict[str, Any]
    shared: dict[str, float] = msgspec.field(default_factory=dict)
    cascades: list[FrontFile.CascadeEntry] = []

    def fields(self) -> dict[str, Any]:
        """What a `ParetoFront` is made of, checked."""
        objectives = tuple(Objective(o.name, o.direction) for o in self.objectives)
        names = {o.name for o in objectives}
        msgspec.convert(self.config.get("origin", {}), dict[str, str])
        msgspec.convert(self.config.get("limits", {}), dict[str, float])
        if not self.points or not names or len(names) != len(objectives):
            raise SearchError("needs at least one point, and at least one objective, each once")
        points = []
        for number, point in enumerate(self.points):
            arch = Arch.from_json(point.arch)
            where = f"point {number}"
            if arch.id != point.id:
                raise SearchError(f"{where}: the arch has id {arch.id}, not {point.id}: one of the two was changed")
            if arch.space != self.space:
                raise SearchError(f"{where}: arch {arch.id} belongs to space '{arch.space}', not to '{self.space}'")
            for kind in (point.objectives, point.provenance):
                if kind.keys() != names:
                    raise SearchError(f"{where}: has figures for {sorted(kind)}, the front compares {sorted(names)}")
            if not point.errors.keys() <= names:
                raise SearchError(f"{where}: has errors of {sorted(point.errors)}, the front compares {sorted(names)}")
            odd = [name for name, value in point.objectives.items() if not math.isfinite(value)]
            if odd:
                raise SearchError(f"{where}: {odd[0]} is {point.objectives[odd[0]]}")
            _check_errors(point.errors, f"{where}: the error of ")
            if point.answers:
                Answers.read(point.answers)
            rest = point.errors, point.answers, point.caveat
            points.append(Point(arch, point.objectives, point.provenance, *rest))
        _check_errors(self.shared, "the shared error of ")
        of, compared = (self.space, self.fingerprint), sorted(names)
        cascades = tuple(
            CascadePoint.read(**msgspec.structs.asdict(one), of=of, names=compared) for one in self.cascades
        )
        return {
            "space": self.space,
            "fingerprint": self.fingerprint,
            "objectives": objectives,
            "points": tuple(points),
            "seed": self.seed,
            "config": self.config,
            "versions": self.versions,
            "shared": self.shared,
            "cascades": cascades,
        }


def _check_errors(errors: Mapping[str, float], where: str) -> None:
    for name, error in errors.items():
        if not (math.isfinite(error) and error >= 0):
            raise SearchError(f"{where}{name} is {error}, and must be a number from 0 on")
