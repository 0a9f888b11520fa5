"""ParetoFront: the archs that no other evaluated arch beats, with where each figure came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError, InvalidArchError, SearchError
from vitnas.files import read_json, write_json
from vitnas.nas.hypervolume import hypervolume
from vitnas.nas.objectives import Direction, Objective, non_dominated, to_minimise
from vitnas.search_spaces import Arch, SearchSpace

FORMAT = "vitnas-front/1"

Provenance = Literal["measured", "predicted", "table", "estimated", "counted", "training-free"]


@dataclass(frozen=True)
class Point:
    """One arch of a front.

    Attributes:
        arch: the architecture.
        objectives: its figures, one for each objective of the front.
        provenance: how each figure was found: measured, predicted by a model, added up from a table of measurements or
            of estimates, counted, or told from the network without training.
        errors: standard deviations of figures, where they are known.
    """

    arch: Arch
    objectives: Mapping[str, float]
    provenance: Mapping[str, Provenance]
    errors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ParetoFront:
    """Points in order of the first objective that is minimised, so from the least costly on.

    Attributes:
        space: name of the search space.
        fingerprint: which version of the space.
        objectives: what the points are compared by.
        points: at least one.
        seed: of the search.
        config: the settings that decided the result, and what the figures come from.
        versions: of vitnas and the packages it stands on.
    """

    space: str
    fingerprint: str
    objectives: tuple[Objective, ...]
    points: tuple[Point, ...]
    seed: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        space: SearchSpace,
        objectives: Sequence[Objective],
        points: Sequence[Point],
        *,
        seed: int = 0,
        config: Mapping[str, Any] | None = None,
        versions: Mapping[str, Any] | None = None,
    ) -> ParetoFront:
        """Keeps the best of all evaluated points; an arch given twice counts once."""
        if not points:
            raise SearchError(f"no arch of space '{space.name}' was evaluated, so there is no front")
        distinct = list({point.arch: point for point in points}.values())
        values = _values(distinct, objectives)
        order = np.lexsort((*_tie_breakers(distinct), *_in_order(values, objectives)))
        best = non_dominated(values)
        kept = tuple(distinct[i] for i in order if best[i])
        return cls(
            space.name, space.fingerprint, tuple(objectives), kept, seed, dict(config or {}), dict(versions or {})
        )

    def values(self) -> NDArray[np.float64]:
        """``(points, objectives)``, all to minimise."""
        return _values(self.points, self.objectives)

    # -- choosing --------------------------------------------------------------------------

    def knee(self) -> Point:
        """Where paying more begins to gain little: farthest from the chord between the extremes.

        With every objective scaled to the range it has on the front, the distance from the chord
        (the plane, with three objectives or more) falls with the sum of the objectives.
        """
        values = self.values()
        spread = values.max(axis=0) - values.min(axis=0)
        scaled = (values - values.min(axis=0)) / np.where(spread > 0, spread, 1.0)
        return self.points[int(scaled.sum(axis=1).round(12).argmin())]

    def fastest(self) -> Point:
        """The least latency; without one, the least of the first objective that is minimised."""
        costs = [o for o in self.objectives if o.direction == "minimise"]
        if not costs:
            raise SearchError(f"this front minimises nothing, so it has no fastest arch; {self._choices()}")
        cost = next((o for o in costs if "latency" in o.name), costs[0])
        return min(self.points, key=lambda point: point.objectives[cost.name])

    def best(self) -> Point:
        """The best of the first objective that is maximised, or of the first objective."""
        first = next((o for o in self.objectives if o.direction == "maximise"), self.objectives[0])
        return min(self.points, key=lambda point: first.sign * point.objectives[first.name])

    def pick(self, which: str) -> Point:
        """The point called "knee", "fastest" or "best", one by its index (0 is the first), or one by its arch id."""
        if which in ("knee", "fastest", "best"):
            point: Point = getattr(self, which)()
            return point
        for point in self.points:
            if point.arch.id == which:
                return point
        if which.isdecimal() and int(which) < len(self.points):
            return self.points[int(which)]
        raise SearchError(f"the front has no point '{which}'; {self._choices()}")

    def _choices(self) -> str:
        ids = ", ".join(point.arch.id for point in self.points[:5])
        more = ", ..." if len(self.points) > 5 else ""
        return f"give knee, fastest, best, an index from 0 to {len(self.points) - 1}, or an arch id ({ids}{more})"

    def hypervolume(self, reference: Mapping[str, float]) -> float:
        """How much of the space of objectives the front dominates, up to a reference point that is worse."""
        missing = [o.name for o in self.objectives if o.name not in reference]
        if missing:
            raise SearchError(f"the reference point lacks '{missing[0]}'; give every objective a value")
        corner = np.array([o.sign * reference[o.name] for o in self.objectives])
        return hypervolume(self.values(), corner)

    # -- files -----------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes the front as JSON."""
        points = [
            {
                "id": p.arch.id,
                "arch": p.arch.to_json(),
                "objectives": dict(p.objectives),
                "provenance": dict(p.provenance),
                "errors": dict(p.errors),
            }
            for p in self.points
        ]
        head = {"format": FORMAT, "space": self.space, "fingerprint": self.fingerprint, "seed": self.seed}
        rest = {"config": dict(self.config), "versions": dict(self.versions)}
        objectives = [asdict(o) for o in self.objectives]
        write_json(path, {**head, "objectives": objectives, "points": points, **rest})

    @classmethod
    def load(cls, path: Path, space: SearchSpace | None = None) -> ParetoFront:
        """Reads what `save` wrote.

        Args:
            path: a front.json.
            space: refuses a front of any other space, and checks every arch.
        """
        try:
            data = read_json(path)
        except (DataError, OSError) as error:
            raise SearchError(f"cannot read a front: {error}") from None
        version = data.get("format") if isinstance(data, dict) else None
        if version != FORMAT:
            raise SearchError(f"'{path}': format is {version!r}, this version of vitnas reads '{FORMAT}'; search again")
        try:
            file = msgspec.convert(data, _FrontFile)
            front = file.front()
            if space is not None:
                _check_space(front, space)
        except (msgspec.ValidationError, InvalidArchError, SearchError) as error:
            raise SearchError(f"front '{path}': {error}; repair the file or search again") from None
        return front


class _FrontFile(msgspec.Struct, forbid_unknown_fields=True):
    """A front.json as it lies on the disk."""

    class Objective(msgspec.Struct, forbid_unknown_fields=True):
        name: str
        direction: Direction

    class Point(msgspec.Struct, forbid_unknown_fields=True):
        id: str
        arch: dict[str, Any]
        objectives: dict[str, float]
        provenance: dict[str, Provenance]
        errors: dict[str, float] = msgspec.field(default_factory=dict)

    format: str
    space: str
    fingerprint: str
    seed: int
    objectives: list[_FrontFile.Objective]
    points: list[_FrontFile.Point]
    config: dict[str, Any]
    versions: dict[str, Any]

    def front(self) -> ParetoFront:
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
            points.append(Point(arch, point.objectives, point.provenance, point.errors))
        return ParetoFront(
            self.space, self.fingerprint, objectives, tuple(points), self.seed, self.config, self.versions
        )


def _check_space(front: ParetoFront, space: SearchSpace) -> None:
    if (front.space, front.fingerprint) != (space.name, space.fingerprint):
        raise SearchError(
            f"is of space '{front.space}' ({front.fingerprint}), not of '{space.name}' ({space.fingerprint}), "
            "whose choices, image size or classes differ"
        )
    for point in front.points:
        space.check(point.arch)


def _values(points: Sequence[Point], objectives: Sequence[Objective]) -> NDArray[np.float64]:
    columns = [np.array([p.objectives[o.name] for p in points], dtype=np.float64) for o in objectives]
    return to_minimise(columns, objectives)


def _in_order(values: NDArray[np.float64], objectives: Sequence[Objective]) -> list[NDArray[np.float64]]:
    """Sort keys, the most important last: first what is minimised, then the rest."""
    ranked = sorted(range(len(objectives)), key=lambda i: (objectives[i].direction != "minimise", i))
    return [values[:, i] for i in reversed(ranked)]


def _tie_breakers(points: Sequence[Point]) -> list[NDArray[np.str_]]:
    return [np.array([point.arch.id for point in points])]
