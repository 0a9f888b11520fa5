"""Populations as integer arrays: sampling, repair, mutation and exact counting over columns.

A population is an ``(n, columns)`` int16 array; `OFF` marks what an arch switches off. Every
column hangs on at most one earlier column, so one pass from left to right settles a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.search_spaces.gene import OFF, Column

Codes = NDArray[np.int16]
"""A population: one row an arch, one column a gene value's position in its choices."""


class Genome:
    """The columns of a space and the integer arithmetic on whole populations."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._options = [_options(column) for column in self.columns]

    def empty(self, n: int) -> Codes:
        return np.full((n, len(self.columns)), OFF, dtype=np.int16)

    def valid(self, codes: Codes) -> NDArray[np.bool_]:
        """Per row, whether every column holds a code that its parent's code allows."""
        inside = (codes >= OFF) & (codes < [len(c.choices) for c in self.columns])
        known = np.where(inside, codes, OFF).astype(np.int16)
        ok: NDArray[np.bool_] = np.all(inside, axis=1)
        for i, column in enumerate(self.columns):
            ok &= column.allowed[self._above(known, i), known[:, i]]
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
        for i, column in enumerate(self.columns):
            above = self._above(fixed, i)
            own = fixed[:, i]
            inside = (own >= OFF) & (own < len(column.choices))
            bad = ~(inside & column.allowed[above, np.where(inside, own, OFF)])
            if redraw is not None:
                bad |= redraw[:, i]
            if not bad.any():
                continue
            options, counts = self._options[i]
            rows = above[bad]
            pick = (
                np.zeros(len(rows), np.intp) if rng is None else (rng.random(len(rows)) * counts[rows]).astype(np.intp)
            )
            fixed[bad, i] = options[rows, pick]
        return fixed

    def sample(self, n: int, rng: np.random.Generator) -> Codes:
        """Draws every gene uniformly among the choices that the genes before it allow."""
        blank = self.empty(n)
        return self.repair(blank, rng, np.ones(blank.shape, dtype=np.bool_))

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
        """Takes each column from one parent or the other, then settles what no longer fits."""
        take = rng.random(left.shape) < 0.5
        return self.repair(np.where(take, left, right).astype(np.int16), rng)

    def neighbours(self, row: NDArray[np.int16]) -> Codes:
        """Every arch that differs in one choice (and in what that choice switches on or off)."""
        rows = []
        for i, column in enumerate(self.columns):
            for code in range(len(column.choices)):
                if row[i] not in (OFF, code):
                    rows.append(np.where(np.arange(len(row)) == i, code, row))
        found = self.repair(np.array(rows, dtype=np.int16).reshape(-1, len(row)))
        found = np.unique(found, axis=0)
        others: Codes = found[(found != row).any(axis=1)]
        return others

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
            options, counts = self._options[i]
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


def _options(column: Column) -> tuple[NDArray[np.int16], NDArray[np.intp]]:
    """For each parent code: the allowed own codes, padded, and how many there are."""
    codes = np.append(np.arange(len(column.choices)), OFF).astype(np.int16)
    counts = column.allowed.sum(axis=1)
    table = np.full((len(counts), max(1, int(counts.max()))), OFF, dtype=np.int16)
    for row, allowed in enumerate(column.allowed):
        table[row, : counts[row]] = codes[allowed]
    return table, counts.astype(np.intp)
