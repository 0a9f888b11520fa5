"""How fronts grew: the hypervolume after every evaluation, on one scale for all searches that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.nas.objectives import Objective, non_dominated, to_minimise
from vitnas.nas.pareto.hypervolume import hypervolume, reference_point
from vitnas.reporting.results import Result

Floats = NDArray[np.float64]

MOST_STEPS = 400
"""Of one curve."""


@dataclass(frozen=True)
class Box:
    """What hypervolumes are shares of: from the best of every objective to the reference point behind the worst.

    Attributes:
        objectives: in order of the columns.
        best: of all archs of all searches, to minimise.
        reference: beyond the worst of them, see `vitnas.nas.pareto.hypervolume.reference_point`.
    """

    objectives: tuple[Objective, ...]
    best: Floats
    reference: Floats

    @classmethod
    def around(cls, results: Sequence[Result]) -> Box:
        """The box of everything that these searches evaluated within their limits."""
        objectives = results[0].front.objectives
        for result in results:
            if set(result.front.objectives) != set(objectives):
                names = [[o.name for o in each.front.objectives] for each in (results[0], result)]
                raise SearchError(
                    f"'{results[0].name}' weighs {names[0]}, '{result.name}' weighs {names[1]}: their hypervolumes do not "
                    "compare; give searches of the same objectives"
                )
        values = np.concatenate([_allowed(result, objectives) for result in results])
        return cls(objectives, values.min(axis=0), reference_point(values))

    def share(self, values: Floats) -> float:
        """How much of the box ``(n, objectives)`` values, all to minimise, dominate: 0 to 1."""
        return hypervolume(values, self.reference) / float(np.prod(self.reference - self.best))

    def share_of(self, result: Result) -> float:
        """Of the front of a search."""
        points = result.front.points
        return self.share(
            to_minimise([np.array([p.objectives[o.name] for p in points]) for o in self.objectives], self.objectives)
        )

    def growth(self, result: Result) -> list[tuple[int, float]]:
        """Evaluations so far and the share after them: the first, every one that added something, and the last.

        Of very many that did, no more than `MOST_STEPS`, at even steps and with the last.
        """
        values = _values(result, self.objectives)
        allowed = np.flatnonzero(_allows(result) & np.isfinite(values).all(axis=1))
        # What adds is beaten by none before it, so by none once being late counts as worse.
        rows = allowed[non_dominated(np.column_stack([values[allowed], allowed]))]
        steps = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_STEPS)).round().astype(int))
        found = [(int(rows[i]) + 1, self.share(values[rows[: i + 1]])) for i in steps]
        if found and found[-1][0] < len(values):
            found.append((len(values), found[-1][1]))
        return found


def _values(result: Result, objectives: Sequence[Objective]) -> Floats:
    columns = result.evaluated.columns([o.name for o in objectives], f"'{result.folder}'")
    return to_minimise(list(columns.T), objectives)


def _allowed(result: Result, objectives: Sequence[Objective]) -> Floats:
    values = _values(result, objectives)
    return values[_allows(result) & np.isfinite(values).all(axis=1)]


def _allows(result: Result) -> NDArray[np.bool_]:
    """Which evaluated archs keep the limits of the search; some may have been included whatever they cost."""
    allowed = np.ones(len(result.evaluated), dtype=np.bool_)
    for name, most in result.front.config.get("limits", {}).items():
        if name in result.evaluated.figures:
            allowed &= result.evaluated.figures[name] <= most
    return allowed
