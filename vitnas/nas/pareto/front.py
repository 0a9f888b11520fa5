"""ParetoFront: the archs that no other evaluated arch beats, with where each figure came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vitnas.display import Shown
from vitnas.errors import DataError, InvalidArchError, SearchError
from vitnas.files import read_json, write_json
from vitnas.nas.objectives import Objective, non_dominated, to_minimise
from vitnas.nas.pareto.answers import Answers
from vitnas.nas.pareto.apart import Apart
from vitnas.nas.pareto.cascade_point import CascadePoint
from vitnas.nas.pareto.front_file import FrontFile
from vitnas.nas.pareto.hypervolume import hypervolume
from vitnas.nas.pareto.picks import Group, Picks, Trade
from vitnas.nas.pareto.point import Point
from vitnas.search_spaces import SearchSpace

FORMAT = "vitnas-front/1"


@dataclass(frozen=True)
class ParetoFront(Shown, view="front"):
    """Points in order of the first objective that is minimised, so from the least costly on.

    Attributes:
        space: name of the search space.
        fingerprint: which version of the space.
        objectives: what the points are compared by.
        points: at least one.
        seed: of the search.
        config: the settings that decided the result, and what the figures come from.
        versions: of vitnas and the packages it stands on.
        shared: quantity -> the relative standard deviation that all its figures share, such as that of one device's
            speed; it is part of their errors and says nothing about which of two is more.
        cascades: what stands beside the archs, in the same order; no arch and no other cascade beats one.
    """

    space: str
    fingerprint: str
    objectives: tuple[Objective, ...]
    points: tuple[Point, ...]
    seed: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, float] = field(default_factory=dict)
    cascades: tuple[CascadePoint, ...] = ()

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
        shared: Mapping[str, float] | None = None,
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
            space.name, space.fingerprint, tuple(objectives), kept, seed, dict(config or {}), dict(versions or {}),
            dict(shared or {}),
        )  # fmt: skip

    def with_cascades(self, cascades: Sequence[CascadePoint]) -> ParetoFront:
        """The front of its archs and these cascades: what no arch and no cascade beats, of the archs at least one."""
        both: list[Point | CascadePoint] = [*self.points, *{one.cascade: one for one in cascades}.values()]
        values = _values(both, self.objectives)
        order, best = np.lexsort(_in_order(values, self.objectives)), non_dominated(values)
        kept = [both[i] for i in order if best[i]]
        points = tuple(one for one in kept if isinstance(one, Point)) or (self.best(),)
        return replace(self, points=points, cascades=tuple(one for one in kept if isinstance(one, CascadePoint)))

    def values(self) -> NDArray[np.float64]:
        """``(points, objectives)``, all to minimise."""
        return _values(self.points, self.objectives)

    # -- choosing --------------------------------------------------------------------------

    @property
    def worth(self) -> Objective:
        """What a front is for: the first objective that is maximised, or the first."""
        return next((o for o in self.objectives if o.direction == "maximise"), self.objectives[0])

    @cached_property
    def _picks(self) -> Picks:
        names = [o.name for o in self.objectives]
        stds = np.array([[p.errors.get(name, 0.0) for name in names] for p in self.points])
        shared = np.array([self.shared.get(name, 0.0) for name in names])
        answers = [Answers.read(p.answers) if p.answers else None for p in self.points]
        judged = names.index("accuracy") if "accuracy" in names else None
        return Picks(self.points, self.objectives, Apart(self.values(), stds, shared, answers, judged))

    def groups(self) -> tuple[Group, ...]:
        """The points that cannot be told apart within their errors, together; every point is in one group.

        The most accurate point comes first and takes with it all points that cannot be told from it in any objective,
        the most accurate one left takes the next, and so on. A group is named by the one that took the others.
        """
        return self._picks.groups

    def knee(self) -> Point | None:
        """The group farthest from the chord between the ends of the front; None where `why_no_knee` says why."""
        return self._picks.knee

    def why_no_knee(self) -> str | None:
        """Why errors, or the form of the front, leave no knee; None where there is one."""
        return self._picks.why_no_knee

    def best(self) -> Point:
        """The least costly arch, by groups, whose accuracy cannot be told from the highest."""
        return self._picks.best

    def most_accurate(self) -> Point:
        """The highest figure of the first objective that is maximised, whatever its error; or of the first objective."""
        return self._picks.most_accurate

    def fastest(self) -> Point:
        """The least latency, whatever its error; without one, the least of the first objective that is minimised."""
        return self._picks.fastest

    def trade(self, point: Point) -> Trade | None:
        """What a point gives up against the most accurate one; None for that one itself."""
        return self._picks.trade(point)

    def pick(self, which: str) -> Point:
        """The point of a name, one by its index (0 is the first), or one by its arch id.

        Args:
            which: "best", "most-accurate", "fastest", or "knee", which is the best where there is no knee.
        """
        return self._picks.pick(which)

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
                **{name: told for name, told in (("answers", p.answers), ("caveat", p.caveat)) if told},
            }
            for p in self.points
        ]
        head = {"format": FORMAT, "space": self.space, "fingerprint": self.fingerprint, "seed": self.seed}
        rest = {"config": dict(self.config), "versions": dict(self.versions), "shared": dict(self.shared)}
        objectives = [asdict(o) for o in self.objectives]
        beside = {"cascades": [one.to_json() for one in self.cascades]} if self.cascades else {}
        write_json(path, {**head, "objectives": objectives, "points": points, **beside, **rest})

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
            front = cls(**msgspec.convert(data, FrontFile).fields())
        except (msgspec.ValidationError, InvalidArchError, SearchError) as error:
            raise SearchError(_damaged(path, error)) from None
        if space is not None:
            front.check(space, path)
        return front

    def check(self, space: SearchSpace, path: Path) -> None:
        """Refuses any other space than that of the front, and archs that are none of it.

        Args:
            space: that the front is to be of.
            path: of its file, for the message.
        """
        try:
            _check_space(self, space)
        except (InvalidArchError, SearchError) as error:
            raise SearchError(_damaged(path, error)) from None


def _damaged(path: Path, error: Exception) -> str:
    return f"front '{path}': {error}; repair the file or search again"


def _check_space(front: ParetoFront, space: SearchSpace) -> None:
    if (front.space, front.fingerprint) != (space.name, space.fingerprint):
        raise SearchError(
            f"is of space '{front.space}' ({front.fingerprint}), not of '{space.name}' ({space.fingerprint}), "
            "whose choices, image size or classes differ"
        )
    for point in front.points:
        space.check(point.arch)


def _values(points: Sequence[Point | CascadePoint], objectives: Sequence[Objective]) -> NDArray[np.float64]:
    columns = [np.array([p.objectives[o.name] for p in points], dtype=np.float64) for o in objectives]
    return to_minimise(columns, objectives)


def _in_order(values: NDArray[np.float64], objectives: Sequence[Objective]) -> list[NDArray[np.float64]]:
    """Sort keys, the most important last: first what is minimised, then the rest."""
    ranked = sorted(range(len(objectives)), key=lambda i: (objectives[i].direction != "minimise", i))
    return [values[:, i] for i in reversed(ranked)]


def _tie_breakers(points: Sequence[Point]) -> list[NDArray[np.str_]]:
    return [np.array([point.arch.id for point in points])]
