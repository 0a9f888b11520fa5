"""AGE-MOEA-II (Panichella, 2022): learns how the front is curved, and keeps archs that are spread along that curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.searchers.evolving import Evolving
from vitnas.nas.searchers.ranking import best_first, fronts

Values = NDArray[np.float64]

NEWTON_STEPS = 50
FLATTEST, ROUNDEST = 0.1, 20.0
"""Between a front that hugs the axes and one that is nearly a box."""


class AGEMOEA2(Evolving):
    """Of the best front: its ends, then ever the arch that is near the ideal and far from its two nearest along the front.

    Later fronts are kept in order, the last of them by nearness to the ideal, both measured by the curvature of the
    best front.
    """

    def _keep(self, values: Values) -> NDArray[np.intp]:
        if values.shape[1] == 1:
            return best_first(values)[: self.population]
        front = fronts(values)
        best = np.flatnonzero(front == 0)
        ideal = values[best].min(axis=0)
        span = _intercepts(values[best] - ideal)
        scaled = (values - ideal) / span
        power = curvature(scaled[best])
        score = -_length(scaled, power)
        score[best] = _spread(scaled[best], power)
        best_to_worst: NDArray[np.intp] = np.lexsort((-score, front))
        return best_to_worst[: self.population]


def curvature(points: Values) -> float:
    """The power p with sum(x ** p) = 1 at the point nearest to the diagonal, of points scaled to 0..1 at the ends.

    1 is a plane; above, the front bulges away from the ideal, below it is drawn towards it.
    """
    inside = points[(points > 1e-9).all(axis=1) & (points < 1 - 1e-9).all(axis=1)]
    if not len(inside):
        return 1.0
    off_diagonal = (inside**2).sum(axis=1) - inside.sum(axis=1) ** 2 / inside.shape[1]
    logs = np.log(inside[off_diagonal.argmin()])
    power = 1.0
    for _ in range(NEWTON_STEPS):  # of log(sum(x ** p)), which is convex and falls
        parts = np.exp(power * logs)
        step = np.log(parts.sum()) * parts.sum() / (parts @ logs)
        power = float(np.clip(power - step, FLATTEST, ROUNDEST))
        if abs(step) < 1e-6:
            break
    return power


def _spread(points: Values, power: float) -> Values:
    """Scores of the best front: the ends are infinite; every other is its distance when it was chosen, farthest first."""
    ends = np.unique(np.concatenate([points.argmin(axis=0), points.argmax(axis=0)]))
    score = np.full(len(points), -np.inf)
    score[ends] = np.inf
    apart = _geodesic(points, power) / np.maximum(_length(points, power), 1e-12)[:, None]
    np.fill_diagonal(apart, np.inf)
    near = np.sort(apart[:, ends], axis=1)
    near = np.hstack([near, np.full((len(points), 2), np.inf)])[:, :2]
    near[~np.isfinite(near[:, 1]), 1] = 0.0
    left = np.ones(len(points), dtype=np.bool_)
    left[ends] = False
    for turn in range(int(left.sum())):
        row = int(np.where(left, near.sum(axis=1), -np.inf).argmax())
        score[row] = -float(turn)
        left[row] = False
        near = np.sort(np.column_stack([near, apart[:, row]]), axis=1)[:, :2]
    return score


def _geodesic(points: Values, power: float) -> Values:
    """Pairwise distances along the curve: by way of the midpoint, put back on the curve."""
    on = points / np.maximum(_length(points, power), 1e-12)[:, None]
    middle = (on[:, None] + on[None]) / 2
    middle /= np.maximum(_length(middle, power), 1e-12)[..., None]
    half = np.sqrt(((on[:, None] - middle) ** 2).sum(axis=2))
    return np.asarray(half + half.T)


def _length(points: Values, power: float) -> Values:
    return np.asarray((np.maximum(points, 0.0) ** power).sum(axis=-1) ** (1 / power))


def _intercepts(points: Values) -> Values:
    """Where the plane through the ends of the front meets the axes; the extents of the front if there is no such plane."""
    extent = points.max(axis=0)
    try:
        plane = np.linalg.solve(points[_ends(points)], np.ones(len(extent)))
        found = 1 / plane
    except np.linalg.LinAlgError:
        found = extent
    good = np.isfinite(found) & (found > 1e-9)
    found = np.where(good, found, extent)
    return np.where(found > 1e-12, found, 1.0)


def _ends(points: Values) -> NDArray[np.intp]:
    """For each objective the point nearest to its axis."""
    away = np.where(np.eye(points.shape[1], dtype=np.bool_), 1.0, 1e6)
    return np.asarray((points[None] * away[:, None]).max(axis=2).argmin(axis=1))
