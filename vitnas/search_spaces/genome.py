"""Populations as integer arrays: sampling, repair, mutation and exact counting over columns.

A population is an ``(n, columns)`` int16 array; `OFF` marks what an arch switches off. Every
column hangs on at most one earlier column, so one pass from left to right settles a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.search_spaces.gene import OFF, Column

Codes = NDArray[np.int16]
"""A population: one row an arch, one column a gene value's position in its choices."""


@dataclass(frozen=True)
class _Level:
    """Columns whose parents all stand in earlier levels, so that they are settled at once.

    States are codes plus one, so that OFF is 0; a column without parent knows state 0 only.
    """

    columns: NDArray[np.intp]
    parents: NDArray[np.intp] | None
    sizes: NDArray[np.int16]
    allowed: NDArray[np.bool_]
    """``(columns, parent states, own states)``."""
    options: NDArray[np.int16]
    """``(columns, parent states, most options)``: the allowed codes from the least on, OFF last, padded."""
    counts: NDArray[np.intp]
    """``(columns, parent states)``: how many of the options there are."""

    @property
    def each(self) -> NDArray[np.intp]:
        return np.arange(len(self.columns))

    def above(self, codes: Codes) -> NDArray[np.intp]:
        """``(n, columns)`` states of the parents."""
        if self.parents is None:
            return np.zeros((len(codes), len(self.columns)), dtype=np.intp)
        return codes[:, self.parents].astype(np.intp) + 1

    def allows(self, own: Codes, above: NDArray[np.intp]) -> NDArray[np.bool_]:
        inside = (own >= OFF) & (own < self.sizes)
        found: NDArray[np.bool_] = inside & self.allowed[self.each, above, np.where(inside, own, OFF) + 1]
        return found


class Genome:
    """The columns of a space and the integer arithmetic on whole populations."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._levels = _levels(self.columns)
        sizes = [len(column.choices) for column in self.columns]
        self._steps = (
            np.repeat(np.arange(len(sizes)), sizes),
            np.concatenate([np.arange(size, dtype=np.int16) for size in sizes] or [np.empty(0, dtype=np.int16)]),
        )

    def empty(self, n: int) -> Codes:
        return np.full((n, len(self.columns)), OFF, dtype=np.int16)

    def valid(self, codes: Codes) -> NDArray[np.bool_]:
        """Per row, whether every column holds a code that its parent's code allows."""
        inside = (codes >= OFF) & (codes < [len(c.choices) for c in self.columns])
        known = np.where(inside, codes, OFF).astype(np.int16)
        ok: NDArray[np.bool_] = np.all(inside, axis=1)
        for level in self._levels:
            ok &= level.allows(known[:, level.columns], level.above(known)).all(axis=1)
        return ok

    def repair(
        self, codes: Codes, rng: np.random.Generator | None = None, redraw: NDArray[np.bool_] | None = None
    ) -> Codes:
        """The canonical form: codes that are not allowed become allowed ones.

        Args:
            codes: a population, perhaps with rows that contradict themselves.
            rng: draws the replacements uniformly; without it the smallest allowed choice is taken.
            redraw: marks codes to replace although they are allowed.
        """
        fixed = codes.copy()
        for level in self._levels:
            above = level.above(fixed)
            bad = ~level.allows(fixed[:, level.columns], above)
            if redraw is not None:
                bad |= redraw[:, level.columns]
            row, place = np.nonzero(bad)
            if len(row) == 0:
                continue
            state = above[row, place]
            pick: NDArray[np.intp] | int = 0
            if rng is not None:
                pick = (rng.random(len(row)) * level.counts[place, state]).astype(np.intp)
            fixed[row, level.columns[place]] = level.options[place, state, pick]
        return fixed

    def sample(self, n: int, rng: np.random.Generator) -> Codes:
        """Draws every gene uniformly among the choices that the genes before it allow."""
        codes = self.empty(n)
        for level in self._levels:
            above = level.above(codes)
            pick = (rng.random(above.shape) * level.counts[level.each, above]).astype(np.intp)
            codes[:, level.columns] = level.options[level.each, above, pick]
        return codes

    def sample_evenly(self, n: int, rng: np.random.Generator) -> Codes:
        """Draws uniformly over distinct architectures: deep ones, being many, come often."""
        codes = self.empty(n)
        ways = self._ways()
        for i, column in enumerate(self.columns):
            above = self._above(codes, i)
            for state in np.unique(above):
                rows = np.flatnonzero(above == state)
                weights = [w if ok else 0 for w, ok in zip(ways[i], column.allowed[state], strict=True)]
                total = sum(weights)
                edges = np.cumsum([w / total for w in weights])
                pick = np.minimum(np.searchsorted(edges, rng.random(len(rows)), side="right"), len(weights) - 1)
                codes[rows, i] = np.where(pick == len(column.choices), OFF, pick)
        return codes

    def mutate(self, codes: Codes, rng: np.random.Generator, rate: float) -> Codes:
        """Changes each switched-on code to another with probability `rate`, at least one in each row."""
        sizes = np.array([len(c.choices) for c in self.columns])
        free = (codes != OFF) & (sizes > 1)
        hit = free & (rng.random(codes.shape) < rate)
        lucky = np.where(free, rng.random(codes.shape), -1.0).argmax(axis=1)
        none = ~hit.any(axis=1)
        hit[none, lucky[none]] = free[none, lucky[none]]
        step = 1 + (rng.random(codes.shape) * np.maximum(sizes - 1, 1)).astype(np.int16)
        changed = np.where(hit, (codes + step) % sizes, codes).astype(np.int16)
        return self.repair(changed, rng)

    def cross_over(self, left: Codes, right: Codes, rng: np.random.Generator) -> Codes:
        """Takes each column from one parent or the other, then settles what no longer fits.

        What one of them switches off comes from the other, so that a deep child has the last blocks of its deep parent.
        """
        take = (rng.random(left.shape) < 0.5) & (left != OFF) | (right == OFF)
        return self.repair(np.where(take, left, right).astype(np.int16), rng)

    def neighbours(self, row: NDArray[np.int16]) -> Codes:
        """Every arch that differs in one choice (and in what that choice switches on or off)."""
        found = self.around(row[None])
        others: Codes = found[(found != row).any(axis=1)]
        return others

    def adjacent(self, row: NDArray[np.int16]) -> Codes:
        """Those of the `neighbours` whose one choice is the next smaller or the next larger."""
        near = []
        for i, column in enumerate(self.columns):
            for code in (row[i] - 1, row[i] + 1):
                if row[i] != OFF and 0 <= code < len(column.choices):
                    near.append(row.copy())
                    near[-1][i] = code
        found = distinct(self.repair(np.stack(near))) if near else self.empty(0)
        others: Codes = found[(found != row).any(axis=1)]
        return others

    def around(self, codes: Codes) -> Codes:
        """The distinct neighbours of all rows, which may be among them."""
        columns, values = self._steps
        at, step = np.nonzero((codes[:, columns] != OFF) & (codes[:, columns] != values))
        rows = codes[at]
        rows[np.arange(len(rows)), columns[step]] = values[step]
        return distinct(self.repair(rows))

    def size(self) -> int:
        """How many distinct architectures there are, exactly."""
        ways = self._ways()
        total = 1
        for i, column in enumerate(self.columns):
            if column.parent is None:
                total *= sum(ways[i][:-1])
        return total

    def enumerate(self) -> Codes:
        """All architectures; ask `size` first."""
        codes = self.empty(1)
        for i in range(len(self.columns)):
            above = self._above(codes, i)
            options, counts = _options(self.columns[i])
            repeats = counts[above]
            start = np.repeat(np.cumsum(repeats) - repeats, repeats)
            codes = np.repeat(codes, repeats, axis=0)
            codes[:, i] = options[np.repeat(above, repeats), np.arange(len(codes)) - start]
        return codes

    def _above(self, codes: Codes, i: int) -> NDArray[np.intp]:
        parent = self.columns[i].parent
        return np.zeros(len(codes), dtype=np.intp) if parent is None else codes[:, parent].astype(np.intp)

    def _ways(self) -> list[list[int]]:
        """``ways[i][code]``: how many settings of all that hangs below column i, given its code."""
        ways = [[1] * (len(c.choices) + 1) for c in self.columns]
        for i in range(len(self.columns) - 1, -1, -1):
            column = self.columns[i]
            if column.parent is not None:
                above = ways[column.parent]
                for state in range(len(above)):
                    above[state] *= sum(w for w, ok in zip(ways[i], column.allowed[state], strict=True) if ok)
        return ways


def keys(codes: Codes) -> list[bytes]:
    """One hashable value a row, the same for the same arch."""
    rows = np.ascontiguousarray(codes, dtype=np.int16)
    found: list[bytes] = rows.view(f"V{rows.itemsize * rows.shape[1]}").reshape(-1).tolist()
    return found


def distinct(codes: Codes) -> Codes:
    """Every row once, in the order of their first appearance."""
    first = dict(zip(reversed(keys(codes)), range(len(codes) - 1, -1, -1), strict=True))
    return codes[sorted(first.values())]


def _options(column: Column) -> tuple[NDArray[np.int16], NDArray[np.intp]]:
    """For each parent code: the allowed own codes, padded, and how many there are."""
    codes = np.append(np.arange(len(column.choices)), OFF).astype(np.int16)
    counts = column.allowed.sum(axis=1)
    table = np.full((len(counts), max(1, int(counts.max()))), OFF, dtype=np.int16)
    for row, allowed in enumerate(column.allowed):
        table[row, : counts[row]] = codes[allowed]
    return table, counts.astype(np.intp)


def _levels(columns: Sequence[Column]) -> list[_Level]:
    heights: list[int] = []
    for column in columns:
        heights.append(0 if column.parent is None else heights[column.parent] + 1)
    return [_level(columns, [i for i, own in enumerate(heights) if own == height]) for height in sorted(set(heights))]


def _level(columns: Sequence[Column], places: list[int]) -> _Level:
    own = [columns[i] for i in places]
    parents = [column.parent for column in own if column.parent is not None]
    states = max(column.allowed.shape[0] for column in own), max(column.allowed.shape[1] for column in own)
    tables = [_options(column) for column in own]
    allowed = np.zeros((len(own), *states), dtype=np.bool_)
    options = np.full((len(own), states[0], max(table.shape[1] for table, _ in tables)), OFF, dtype=np.int16)
    counts = np.ones((len(own), states[0]), dtype=np.intp)
    for i, (column, (table, count)) in enumerate(zip(own, tables, strict=True)):
        above, below = column.allowed.shape
        allowed[i, :above, :below] = np.roll(column.allowed, (1 if column.parent is not None else 0, 1), axis=(0, 1))
        shift = 1 if column.parent is not None else 0
        options[i, :above, : table.shape[1]] = np.roll(table, shift, axis=0)
        counts[i, :above] = np.roll(count, shift)
    return _Level(
        np.array(places),
        np.array(parents) if parents else None,
        np.array([len(column.choices) for column in own], dtype=np.int16),
        allowed,
        options,
        counts,
    )
