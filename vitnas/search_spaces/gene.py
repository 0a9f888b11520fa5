"""Genes: the named choices of a search space, and the columns of integers they become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SpaceError, suggest

Choice = int | float | str | bool
OFF = -1
"""The code of a column that the rest of the arch switches off."""


@dataclass(frozen=True)
class Gene:
    """A named choice, listed from the least to the most costly value.

    Attributes:
        name: how people and files call it.
        choices: the values it may take.
        per: an integer gene, usually a depth; this gene then has one value for each unit of it.
        when: ``(gene, values)``; this gene exists only where that gene has one of those values.
        at_least: a gene whose value this one's may not fall below.

    A column hangs on at most one earlier column, so sizes, uniform samples and repairs are exact.
    """

    name: str
    choices: tuple[Choice, ...]
    per: str | None = None
    when: tuple[str, tuple[Choice, ...]] | None = None
    at_least: str | None = None


@dataclass(frozen=True, eq=False)
class Column:
    """One integer of an encoded arch: a scalar gene, or one position of a repeated gene."""

    name: str
    gene: str
    position: int | None
    choices: tuple[Choice, ...]
    parent: int | None
    allowed: NDArray[np.bool_]
    """``allowed[parent code, own code]``; the last row and column stand for OFF (code -1)."""


def possible_genes(genes: Iterable[Gene]) -> tuple[Gene, ...]:
    """The genes without those, and without those choices, that the choices of the others never allow."""
    found: dict[str, Gene] = {}
    for gene in genes:
        values: tuple[Choice, ...] = ()
        if gene.when is not None and gene.when[0] in found:
            values = tuple(v for v in gene.when[1] if v in found[gene.when[0]].choices)
            gene = replace(gene, when=(gene.when[0], values))
        hangs_on = [other for other in (gene.per, gene.at_least) if other is not None]
        if gene.at_least in found:
            least = min(found[gene.at_least].choices)
            gene = replace(gene, choices=tuple(c for c in gene.choices if c >= least) or gene.choices)  # type: ignore[operator]
        if all(other in found for other in hangs_on) and (gene.when is None or values):
            found[gene.name] = gene
    return tuple(found.values())


def make_columns(genes: Sequence[Gene], kept: Mapping[str, Sequence[Choice]] = {}) -> tuple[Column, ...]:
    """Unrolls genes into columns, each with the table of codes its parent's code allows.

    Args:
        genes: each after those it refers to.
        kept: choices of single positions, such as ``heads[3]``; the other positions have all.
    """
    columns: list[Column] = []
    index: dict[str, int] = {}
    known: dict[str, Gene] = {}
    for gene in genes:
        _check(gene, known)
        positions: Sequence[int | None] = [None]
        if gene.per is not None:
            positions = range(max(int(c) for c in known[gene.per].choices))
        for position in positions:
            parent = _parent(gene, known, position, index)
            name = gene.name if position is None else f"{gene.name}[{position}]"
            above = columns[parent] if parent is not None else None
            index[name] = len(columns)
            choices = tuple(c for c in gene.choices if c in kept.get(name, gene.choices))
            allowed = _allowed(replace(gene, choices=choices), position, above)
            columns.append(Column(name, gene.name, position, choices, parent, allowed))
        known[gene.name] = gene
    return tuple(columns)


def possible_columns(columns: Sequence[Column]) -> set[str]:
    """The names of the columns that some arch switches on."""
    return {column.name for column, codes in zip(columns, _possible_codes(columns), strict=True) if codes[:-1].any()}


def columns_that_may_be_off(columns: Sequence[Column]) -> set[str]:
    """The names of the columns that some arch switches off."""
    return {column.name for column, codes in zip(columns, _possible_codes(columns), strict=True) if codes[-1]}


def _possible_codes(columns: Sequence[Column]) -> list[NDArray[np.bool_]]:
    """For every column which codes some arch has, OFF last."""
    found: list[NDArray[np.bool_]] = []
    for column in columns:
        above = column.allowed if column.parent is None else column.allowed[found[column.parent]]
        found.append(np.any(above, axis=0))
    return found


def _check(gene: Gene, known: dict[str, Gene]) -> None:
    if gene.name in known:
        raise SpaceError(f"gene '{gene.name}' is defined twice; rename one of the two")
    if not gene.choices or len(set(gene.choices)) != len(gene.choices):
        raise SpaceError(f"gene '{gene.name}' needs distinct choices, at least one; got {list(gene.choices)}")
    references = [gene.per, gene.when[0] if gene.when else None, gene.at_least]
    for other in references:
        if other is not None and other not in known:
            raise SpaceError(
                f"gene '{gene.name}' refers to '{other}', which is not defined before it; {suggest(other, known)}"
            )
    if gene.per is not None:
        lengths = known[gene.per]
        if lengths.per is not None or not all(isinstance(c, int) and c >= 0 for c in lengths.choices):
            raise SpaceError(
                f"gene '{gene.name}' is per '{gene.per}', which must be one whole number per arch; "
                f"its choices are {list(lengths.choices)}" + (f", per '{lengths.per}'" if lengths.per else "")
            )
    if gene.at_least is not None and (gene.per or gene.when or known[gene.at_least].per):
        raise SpaceError(f"gene '{gene.name}': `at_least` joins two genes of one value each, without `per` or `when`")
    if gene.at_least is not None:
        odd = [c for c in (*gene.choices, *known[gene.at_least].choices) if isinstance(c, str)]
        if odd:
            raise SpaceError(f"gene '{gene.name}': `at_least` compares numbers; got the choice {odd[0]!r}")
    if gene.when is not None:
        other, values = gene.when
        unknown = [v for v in values if v not in known[other].choices]
        if unknown:
            raise SpaceError(
                f"gene '{gene.name}' exists when '{other}' is {unknown[0]!r}; {suggest(unknown[0], known[other].choices)}"
            )
        if gene.per != known[other].per:
            raise SpaceError(
                f"gene '{gene.name}' exists by '{other}', so both must be per the same gene; got per '{gene.per}' and per '{known[other].per}'"
            )


def _parent(gene: Gene, known: dict[str, Gene], position: int | None, index: dict[str, int]) -> int | None:
    if gene.when is not None:
        return index[gene.when[0] if position is None else f"{gene.when[0]}[{position}]"]
    name = gene.per or gene.at_least
    return index[name] if name is not None else None


def _allowed(gene: Gene, position: int | None, parent: Column | None) -> NDArray[np.bool_]:
    count = len(gene.choices)
    if parent is None:
        return np.array([[True] * count + [False]])
    rows = np.zeros((len(parent.choices) + 1, count + 1), dtype=np.bool_)
    rows[-1, -1] = True  # what hangs on a switched-off column is off as well
    for code, value in enumerate(parent.choices):
        if gene.when is not None:
            on = value in gene.when[1]
        elif gene.per is not None:
            assert position is not None
            on = int(value) > position
        else:
            rows[code, :-1] = [own >= value for own in gene.choices]  # type: ignore[operator]
            if not rows[code].any():
                raise SpaceError(
                    f"gene '{gene.name}' has no choice at least {parent.gene}={value}; its largest is {gene.choices[-1]}"
                )
            continue
        rows[code, :-1] = on
        rows[code, -1] = not on
    return rows
