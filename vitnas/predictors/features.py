"""Features: a population as numbers that a linear model can learn from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.search_spaces import OFF, Codes, SearchSpace
from vitnas.search_spaces.gene import Column

MOST_AGGREGATES = 16
"""With more genes than this, products of all pairs would outnumber any sample that is evaluated."""


class Features:
    """Every choice (OFF is one) as its own 0/1, gene values as numbers, their sums and products.

    A gene with a value for each block gives one sum over the blocks that are there; products of two
    such sums let a linear model see that width counts for more in a deep network.
    """

    def __init__(self, space: SearchSpace) -> None:
        columns = space.columns
        self._tables = [_table(column) for column in columns]
        genes = list(dict.fromkeys(column.gene for column in columns))
        numeric = [g for g in genes if all(_is_number(c) for c in _of(columns, g)[0].choices)]
        self._members = [[i for i, c in enumerate(columns) if c.gene == gene] for gene in numeric]
        self._values = [np.append([float(c) for c in _of(columns, gene)[0].choices], 0.0) for gene in numeric]
        pairs = itertools.combinations_with_replacement(range(len(numeric)), 2)
        self._pairs = list(pairs) if len(numeric) <= MOST_AGGREGATES else [(i, i) for i in range(len(numeric))]
        self.width = sum(t.shape[1] for t in self._tables) + len(numeric) + len(self._pairs)
        aggregates = len(numeric) + len(self._pairs)
        self.groups: tuple[int, ...] = tuple(n for n in (self.width - aggregates, aggregates) if n)

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        """``(n, columns)`` codes to ``(n, features)``."""
        found = np.empty((len(codes), self.width))
        at = 0
        for i, table in enumerate(self._tables):
            found[:, at : at + table.shape[1]] = table[codes[:, i]]
            at += table.shape[1]
        sums = np.zeros((len(self._members), len(codes)))
        for total, members, values in zip(sums, self._members, self._values, strict=True):
            for i in members:
                total += values[codes[:, i]]
        for total in sums:
            found[:, at] = total
            at += 1
        for a, b in self._pairs:
            found[:, at] = sums[a] * sums[b]
            at += 1
        return found


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
