"""Reads gene values that people and files give, and says exactly what is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import InvalidArchError, suggest
from vitnas.search_spaces.gene import OFF, Choice, Column, Gene


class ValueReader:
    """Turns gene values into one encoded row of a space."""

    def __init__(self, space: str, genes: Sequence[Gene], columns: Sequence[Column]) -> None:
        self._space = space
        self._genes = {gene.name: gene for gene in genes}
        self._columns = columns
        self._allowed = [column.allowed.tolist() for column in columns]
        self._codes = [{_key(choice): code for code, choice in enumerate(c.choices)} for c in columns]

    def codes(self, values: Mapping[str, Any]) -> NDArray[np.int16]:
        """The row of these values; every switched-on gene must be given, and no other."""
        for name in values:
            if name not in self._genes:
                raise InvalidArchError(f"space '{self._space}' has no gene '{name}'; {suggest(name, self._genes)}")
        row: list[int] = []
        for i, column in enumerate(self._columns):
            above = row[column.parent] if column.parent is not None else 0
            row.append(self._code(i, self._value(column, values), self._allowed[i][above], row))
        return np.array(row, dtype=np.int16)

    def _value(self, column: Column, values: Mapping[str, Any]) -> Any:
        """What was given for a column: a value of its own, or one entry of a list."""
        value = values.get(column.gene)
        if column.position is None or value is None:
            return value
        per = self._genes[column.gene].per
        if not isinstance(value, list | tuple):
            raise InvalidArchError(
                f"{self._where(column.gene)} takes a list, one value for each unit of '{per}'; got {value!r}"
            )
        length = values.get(per or "")
        if isinstance(length, int) and len(value) != length:
            raise InvalidArchError(
                f"{self._where(column.gene)} needs {length} values because {per} = {length}; got {len(value)}: {list(value)}"
            )
        return value[column.position] if column.position < len(value) else None

    def _code(self, i: int, value: Any, allowed: Sequence[bool], row: Sequence[int]) -> int:
        column = self._columns[i]
        if value is None:
            if allowed[-1]:
                return OFF
            raise InvalidArchError(f"{self._where(column.name)} is missing; give one of {list(column.choices)}")
        try:
            code = self._codes[i].get(_key(value))
        except TypeError:  # a list or the like, which no choice is
            code = None
        if code is None:
            near = _nearest(value, column.choices)
            raise InvalidArchError(
                f"{self._where(column.name)} cannot be {value!r}; choices are {list(column.choices)}. Nearest is {near!r}"
            )
        if not allowed[code]:
            assert column.parent is not None
            above, state = self._columns[column.parent], row[column.parent]
            given = repr(above.choices[state]) if state != OFF else "switched off"
            options = [choice for choice, ok in zip(column.choices, allowed, strict=False) if ok]
            remedy = f"choose one of {options}" if options else "leave it out"
            raise InvalidArchError(
                f"{self._where(column.name)} cannot be {value!r} while '{above.name}' is {given}; {remedy}"
            )
        return code

    def _where(self, gene: str) -> str:
        return f"gene '{gene}' of space '{self._space}'"


def _key(value: Any) -> tuple[bool, Any]:
    """Equal for what is the same choice: True is not 1, but 1.0 is."""
    return isinstance(value, bool), value


def _nearest(value: Any, choices: Sequence[Choice]) -> Choice:
    numbers = [c for c in choices if isinstance(c, int | float)]
    if isinstance(value, int | float) and numbers:
        return min(numbers, key=lambda c: abs(c - value))
    names = {str(c): c for c in choices}
    return names[difflib.get_close_matches(str(value), list(names), n=1, cutoff=0.0)[0]]
