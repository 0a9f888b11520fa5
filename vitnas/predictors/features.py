"""Features: a population as numbers to learn from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.search_spaces import OFF, Codes, SearchSpace
from vitnas.search_spaces.cost_range import CostOf
from vitnas.search_spaces.gene import Column

MOST_SUMS = 16
"""With more genes than this, products of all pairs would outnumber any sample that is evaluated."""


class Features:
    """Every choice (OFF is one) as its own 0/1, gene values as numbers, and their sums.

    A gene with a value for each block gives one sum over the blocks that are there.
    """

    def __init__(self, space: SearchSpace) -> None:
        columns = space.columns
        self._tables = [_table(column) for column in columns]
        genes = list(dict.fromkeys(column.gene for column in columns))
        numeric = [g for g in genes if all(_is_number(c) for c in _of(columns, g)[0].choices)]
        self._members = [[i for i, c in enumerate(columns) if c.gene == gene] for gene in numeric]
        self._values = [np.append([float(c) for c in _of(columns, gene)[0].choices], 0.0) for gene in numeric]
        sizes = (sum(table.shape[1] for table in self._tables), len(numeric))
        self.groups: tuple[int, ...] = tuple(size for size in sizes if size)
        """How many neighbouring features belong together."""

    @property
    def width(self) -> int:
        """How many features there are."""
        return sum(self.groups)

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        """``(n, columns)`` codes to ``(n, features)``."""
        by_column = np.ascontiguousarray(codes.T, dtype=np.intp)
        # Feature by feature in memory, which is filled several times faster than arch by arch.
        found = np.empty((sum(t.shape[1] for t in self._tables) + len(self._members), len(codes)))
        at = 0
        for code, table in zip(by_column, self._tables, strict=True):
            found[at : at + table.shape[1]] = table.T[:, code]
            at += table.shape[1]
        for members, values in zip(self._members, self._values, strict=True):
            found[at] = values[by_column[members]].sum(axis=0)
            at += 1
        return found.T


class FeaturesAndProducts(Features):
    """And the product of every two sums: with it a linear model sees that width counts for more in a deep network."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        self._sums = len(self._members)
        pairs = itertools.combinations_with_replacement(range(self._sums), 2)
        self._pairs = np.array(list(pairs) if self._sums <= MOST_SUMS else [(i, i) for i in range(self._sums)])
        if self._sums:
            self.groups = (*self.groups, len(self._pairs))

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        """``(n, columns)`` codes to ``(n, features)``."""
        found = super().__call__(codes)
        if not self._sums:
            return found
        sums = found[:, -self._sums :]
        return np.hstack([found, sums[:, self._pairs[:, 0]] * sums[:, self._pairs[:, 1]]])


class FeaturesBeside(Features):
    """Features, and other numbers that are known of each arch."""

    def __init__(self, features: Features, also: Sequence[CostOf]) -> None:
        self._known, self._also = features, tuple(also)
        self.groups = (*features.groups, len(self._also))

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        """``(n, columns)`` codes to ``(n, features)``."""
        return np.column_stack([self._known(codes), *(of(codes) for of in self._also)])


def _table(column: Column) -> NDArray[np.float64]:
    """Row `code` holds the features of one column; the last row, reached by code -1, is OFF."""
    states = len(column.choices) + 1
    one_hot = np.eye(states)
    if not column.allowed[:-1, OFF].any():
        one_hot = one_hot[:, :-1]  # never off: a constant column would say nothing
    if all(_is_number(choice) for choice in column.choices):
        return np.hstack([one_hot, np.append([float(c) for c in column.choices], 0.0)[:, None]])
    return one_hot


def _of(columns: Sequence[Column], gene: str) -> list[Column]:
    return [column for column in columns if column.gene == gene]


def _is_number(choice: object) -> bool:
    return isinstance(choice, int | float)
