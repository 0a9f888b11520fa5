"""Integer programme: a space as linear constraints on zeros and ones, and its best arch below a limit, exactly."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.search_spaces import OFF, SearchSpace
from vitnas.search_spaces.site_values import SiteValues

MOST_VARIABLES = 300_000
INFEASIBLE = 2
"""Status of the solver."""
TIGHT, LOOSE = -2e-6, 1e-7
"""By how much of its range a limit is moved: solvers keep constraints to about 1e-7."""


class IntegerProgramme:
    """The archs of a space as the corners of a polytope.

    Every column has a variable for each of its codes, OFF included, of which one is 1, and only beside a code of its
    parent that allows it. Where layers read several columns, each combination of their codes is a variable too, whose
    sums are the variables of the columns; it is then 0 or 1 by itself.
    """

    def __init__(self, space: SearchSpace) -> None:
        from scipy.sparse import lil_matrix

        self.space = space
        sizes = [len(column.choices) + 1 for column in space.columns]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        zero = SiteValues.zeros(space)
        self._scopes = [scope for scope in space.lowering.factors(zero) if len(scope) > 1]
        self._combinations = {scope: self._possible(scope) for scope in self._scopes}
        self._homes: dict[tuple[int, ...], int] = {}
        end = int(self._starts[-1])
        self.num_codes = end
        for scope in self._scopes:
            self._homes[scope] = end
            end += len(self._combinations[scope])
        self.num_variables = end
        if end > MOST_VARIABLES:
            widest = max(self._scopes, key=lambda scope: len(self._combinations[scope]))
            names = [space.columns[i].name for i in widest]
            raise SearchError(
                f"space '{space.name}' becomes a programme of {end:,} variables, over {MOST_VARIABLES:,}: its layers read "
                f"{names} together; keep these to fewer choices, or choose another searcher"
            )
        rows: list[tuple[dict[int, float], float, float]] = []
        for i, column in enumerate(space.columns):
            own = self._variables(i)
            rows.append((dict.fromkeys(own, 1.0), 1.0, 1.0))
            above = column.allowed
            for code, variable in enumerate(own):
                if column.parent is None:
                    if not above[0, code]:
                        rows.append(({variable: 1.0}, 0.0, 0.0))
                elif not above[:, code].all():
                    beside = {
                        p: -1.0 for p, ok in zip(self._variables(column.parent), above[:, code], strict=True) if ok
                    }
                    rows.append(({variable: 1.0, **beside}, -np.inf, 0.0))
        for scope in self._scopes:
            combinations, home = self._combinations[scope], self._homes[scope]
            for axis, i in enumerate(scope):
                for code, variable in enumerate(self._variables(i)):
                    of = {home + int(j): 1.0 for j in np.flatnonzero(combinations[:, axis] == code)}
                    rows.append(({variable: -1.0, **of}, 0.0, 0.0))
        matrix = lil_matrix((len(rows), end))
        for r, (coefficients, _, _) in enumerate(rows):
            for variable, value in coefficients.items():
                matrix[r, variable] = value
        self._matrix = matrix.tocsr()
        self._low, self._high = (np.array([row[k] for row in rows]) for k in (1, 2))

    def _variables(self, column: int) -> list[int]:
        return list(range(int(self._starts[column]), int(self._starts[column + 1])))

    def _possible(self, scope: tuple[int, ...]) -> NDArray[np.intp]:
        """``(n, columns)``: the codes, OFF last, that the columns of a scope may have together."""
        columns = self.space.columns
        states = [range(len(columns[i].choices) + 1) for i in scope]
        rules = [
            (scope.index(parent), axis, columns[i].allowed)
            for axis, i in enumerate(scope)
            if (parent := columns[i].parent) in scope and parent is not None
        ]
        found = np.array(list(itertools.product(*states)), dtype=np.intp)
        for before, after, allowed in rules:
            found = found[allowed[found[:, before], found[:, after]]]
        return found

    def coefficients(self, table: SiteValues) -> tuple[NDArray[np.float64], float]:
        """A table as a number for every variable, and what is added whatever they are."""
        found, beside = np.zeros(self.num_variables), 0.0
        for scope, factor in self.space.lowering.factors(table.table).items():
            if not scope:
                beside += float(factor)
            elif len(scope) == 1:
                found[self._variables(scope[0])] += factor
            else:
                combinations = self._combinations[scope]
                home = self._homes[scope]
                found[home : home + len(combinations)] += factor[tuple(combinations.T)]
        return found, beside

    def best(
        self, costs: NDArray[np.float64], limits: Sequence[tuple[NDArray[np.float64], float]], seconds: float = 60.0
    ) -> NDArray[np.int16] | None:
        """The arch of least cost that keeps all limits, as a row of codes; None if it is proven that there is none.

        Args:
            costs: a number for every variable.
            limits: numbers for every variable, and the most that they may add up to.
            seconds: after which the best that was found has to do, with a warning; refused where nothing was.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_matrix, vstack

        scale = float(np.abs(costs).max()) or 1.0
        rows, most = [self._matrix], [self._high]
        for values, limit in limits:
            own = float(np.abs(values).max()) or 1.0
            rows.append(csr_matrix(values / own))
            most.append(np.array([limit / own]))
        low = np.concatenate([self._low, np.full(len(limits), -np.inf)])
        whole = np.zeros(self.num_variables)
        whole[: self.num_codes] = 1
        found = milp(
            costs * (1000.0 / scale),
            integrality=whole,
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(vstack(rows), low, np.concatenate(most)),
            options={"mip_rel_gap": 1e-9, "time_limit": seconds},
        )
        if found.status == INFEASIBLE:
            return None
        if found.x is None:
            raise SearchError(
                f"the solver found no arch of space '{self.space.name}' in {seconds:g} s, and no proof that there is none "
                f"({found.message}); keep genes to fewer choices, give wider limits, or choose another searcher"
            )
        if found.status:
            warnings.warn(
                f"the solver stopped after {seconds:g} s at an arch of space '{self.space.name}' that may not be the best: a "
                f"faster machine may find another ({found.message})",
                stacklevel=2,
            )
        row = np.empty(len(self.space.columns), dtype=np.int16)
        for i in range(len(row)):
            own_variables = found.x[self._starts[i] : self._starts[i + 1]]
            code = int(own_variables.argmax())
            row[i] = OFF if code == len(own_variables) - 1 else code
        return row
