"""Picks: the points of a front that can be told apart, and which of them to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.apart import Apart, Rows
from vitnas.nas.pareto.point import Point

NAMES = ("best", "most-accurate", "fastest", "knee")
"""What points of a front are called; `best` is taken where nothing is said."""


@dataclass(frozen=True)
class Group:
    """Points that cannot be told from one of them in any objective.

    Attributes:
        best: the one that stands for them: the best of the first objective that is maximised.
        points: all of them, in the order of the front.
    """

    best: Point
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Trade:
    """What a point gives up against the best of the front, and what it gets for that.

    Attributes:
        against: the point that is best in `worth`.
        worth: the first objective that is maximised.
        gives_up: how much less of it, never negative.
        error: the standard deviation of that difference, zero where none is known.
        is_sure: whether the difference is more than its error allows.
        cost: the latency, or the first objective that is minimised; None where there is none.
        saves: the share of that cost which is saved.
        saves_surely: whether that difference is more than its error allows.
    """

    against: Point
    worth: str
    gives_up: float
    error: float
    is_sure: bool
    cost: str | None
    saves: float
    saves_surely: bool


def counted(groups: int) -> str:
    return f"{groups} distinguishable group{'s' if groups != 1 else ''}"


class Picks:
    """Groups, and the points called best, most accurate, fastest and knee."""

    def __init__(self, points: Sequence[Point], objectives: Sequence[Objective], apart: Apart) -> None:
        """Looks at the points of a front.

        Args:
            points: in the order of the front.
            objectives: of the front.
            apart: of these points, a column an objective.
        """
        self._points: tuple[Point, ...] = tuple(points)
        self._objectives = tuple(objectives)
        self._apart = apart
        self._at = {point.arch.id: i for i, point in enumerate(points)}
        maximised = [i for i, o in enumerate(objectives) if o.direction == "maximise"]
        self._worth = maximised[0] if maximised else 0
        costs = [i for i, o in enumerate(objectives) if o.direction == "minimise" and i != self._worth]
        self._cost = next((i for i in costs if objectives[i].quantity.is_latency), costs[0] if costs else None)

    def pick(self, which: str) -> Point:
        """The point of a name of `NAMES`, one by its index, or one by its arch id."""
        if which == "knee":
            return self.knee or self.best
        if which in NAMES:
            point: Point = getattr(self, which.replace("-", "_"))
            return point
        if which in self._at:
            return self._points[self._at[which]]
        if which.isdecimal() and int(which) < len(self._points):
            return self._points[int(which)]
        raise SearchError(f"the front has no point '{which}'; {self._choices}")

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """In the order of the front, each by its best point."""
        return tuple(
            Group(self._points[rows[0]], tuple(self._points[i] for i in np.sort(rows))) for rows in self._grouped
        )

    @property
    def most_accurate(self) -> Point:
        return self._points[int(self._order[0])]

    @property
    def fastest(self) -> Point:
        costs = [o for o in self._objectives if o.direction == "minimise"]
        if not costs:
            raise SearchError(f"this front minimises nothing, so it has no fastest arch; {self._choices}")
        cost = next((o for o in costs if o.quantity.is_latency), costs[0])
        return min(self._points, key=lambda point: point.objectives[cost.name])

    @property
    def best(self) -> Point:
        """The least costly group that cannot be told from the most accurate arch in accuracy."""
        heads = self._heads
        equal = heads[self._apart.same(int(self._order[0]), heads, self._worth)]
        if self._cost is None:
            return self.most_accurate
        return self._points[int(equal[self._apart.values[equal, self._cost].argmin()])]

    @property
    def knee(self) -> Point | None:
        """Where paying more begins to gain little: farthest from the chord between the extremes of the groups.

        With every objective scaled to the range it has over the groups, the distance from the chord
        (the plane, with three objectives or more) falls with the sum of the objectives. Objectives that tell no
        two points apart are left out.
        """
        if self.why_no_knee is not None:
            return None
        return self._points[int(self._heads[self._scaled.argmin()])]

    @cached_property
    def why_no_knee(self) -> str | None:
        """What is missing for a knee, or None."""
        blurred = [o.name for i, o in enumerate(self._objectives) if i not in self._telling]
        if blurred and len(self._points) > 1 and len(self._telling) < 2:
            return f"the whole range of {' and of '.join(blurred)} on the front lies within its error"
        if len(self._heads) < 3:
            return f"a knee lies between two others, and the front has {counted(len(self._heads))}"
        if self._scaled.min() >= len(self._telling) - 1:
            return "no arch lies beyond the line between the ends of the front"
        return None

    def trade(self, point: Point) -> Trade | None:
        """Against the most accurate point; None for that point itself."""
        top, one = int(self._order[0]), self._at[point.arch.id]
        if top == one:
            return None
        values, other = self._apart.values, np.array([one])
        worth, cost = self._worth, self._cost
        paid = values[top, cost] if cost is not None else 0.0
        return Trade(
            self._points[top],
            self._objectives[worth].name,
            abs(float(values[one, worth] - values[top, worth])),
            float(self._apart.error(top, other, worth)[0]),
            not self._apart.same(top, other, worth)[0],
            None if cost is None else self._objectives[cost].name,
            float((paid - values[one, cost]) / paid) if cost is not None and paid else 0.0,
            cost is not None and not self._apart.same(top, other, cost)[0],
        )

    @property
    def _choices(self) -> str:
        ids = ", ".join(list(self._at)[:5])
        more = ", ..." if len(self._points) > 5 else ""
        return f"give {', '.join(NAMES)}, an index from 0 to {len(self._points) - 1}, or an arch id ({ids}{more})"

    @cached_property
    def _order(self) -> Rows:
        """From the best worth on; equal ones by their other figures, then by id."""
        values = self._apart.values
        others = [values[:, i] for i in reversed(range(values.shape[1])) if i != self._worth]
        ids = np.array([point.arch.id for point in self._points])
        order: Rows = np.lexsort((ids, *others, values[:, self._worth]))
        return order

    @cached_property
    def _grouped(self) -> list[Rows]:
        return sorted(self._apart.groups(self._order), key=lambda rows: int(rows[0]))

    @cached_property
    def _heads(self) -> Rows:
        return np.array([rows[0] for rows in self._grouped])

    @cached_property
    def _telling(self) -> list[int]:
        """The columns whose least and largest figure can be told apart."""
        values = self._apart.values
        ends = zip(values.argmin(axis=0), values.argmax(axis=0), strict=True)
        return [i for i, (low, high) in enumerate(ends) if not self._apart.same(int(low), np.array([high]), i)[0]]

    @cached_property
    def _scaled(self) -> NDArray[np.float64]:
        values = self._apart.values[self._heads][:, self._telling]
        spread = values.max(axis=0) - values.min(axis=0)
        scaled = (values - values.min(axis=0)) / np.where(spread > 0, spread, 1.0)
        total: NDArray[np.float64] = scaled.sum(axis=1).round(12)
        return total
