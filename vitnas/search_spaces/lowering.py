"""From encoded populations to layers: every site's spec as a table over the few genes it reads.

Because a site names the genes it depends on, the cost of a population is a handful of array
look-ups, the shared weights of a site are known exactly, and no arch needs to be built for it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitnas.errors import SpaceError, suggest
from vitnas.search_spaces.blueprint import Blueprint, LayerSpec
from vitnas.search_spaces.gene import Choice, Column, columns_that_may_be_off
from vitnas.search_spaces.genome import Codes

MOST_COMBINATIONS = 1_000_000


@dataclass(frozen=True)
class Site:
    """A place in the network whose weights are shared by all archs that have it.

    Attributes:
        name: letters, digits and underscores; it names the weights in checkpoints.
        genes: the columns this layer depends on, as ``"width"`` or ``"heads[3]"``.
        spec: called with their values, gives the layer, or None where the arch has none here.
            A site is absent from archs that switch one of its genes off.
        optional: those of its genes that may be off all the same; `spec` is then told None.
    """

    name: str
    genes: tuple[str, ...]
    spec: Callable[..., LayerSpec | None]
    optional: tuple[str, ...] = ()

    def without(self, off: Set[str]) -> Site | None:
        """The site in a space that switches these genes off in every arch; None where it needs one of them."""
        gone = off & set(self.genes)
        if not gone:
            return self
        if not gone <= set(self.optional):
            return None

        def spec(*values: Choice) -> LayerSpec | None:
            left = iter(values)
            return self.spec(*(None if gene in gone else next(left) for gene in self.genes))

        return Site(self.name, tuple(g for g in self.genes if g not in gone), spec, self.optional)


class Lowering:
    """The sites of a space compiled to tables of spec numbers."""

    def __init__(self, columns: Sequence[Column], sites: Sequence[Site]) -> None:
        index = {column.name: i for i, column in enumerate(columns)}
        numbers: dict[LayerSpec, int] = {}
        self.sites = tuple(sites)
        self._scopes: list[tuple[int, ...]] = []
        self._tables: list[NDArray[np.int32]] = []
        names, may_be_off = [site.name for site in sites], columns_that_may_be_off(columns)
        for site in sites:
            if names.count(site.name) > 1 or not site.name.isidentifier():
                raise SpaceError(
                    f"site '{site.name}': names must be unique and made of letters, digits and underscores"
                )
            unknown = [g for g in site.genes if g not in index]
            if unknown:
                raise SpaceError(
                    f"site '{site.name}' reads '{unknown[0]}', which is no gene; {suggest(unknown[0], index)}"
                )
            scope = tuple(index[g] for g in site.genes)
            self._scopes.append(scope)
            off = frozenset(site.optional) & may_be_off
            self._tables.append(_table(site, columns, scope, off, numbers))
        self.specs: tuple[LayerSpec, ...] = tuple(numbers)

    @property
    def tables(self) -> Iterator[tuple[Site, tuple[int, ...], NDArray[np.int32]]]:
        """Every site with the positions of the columns that it reads, and its spec number for each of their codes, the last for OFF."""
        return zip(self.sites, self._scopes, self._tables, strict=True)

    def blueprint(self, row: NDArray[np.int16]) -> Blueprint:
        """The layers of one encoded arch."""
        found = []
        for site, scope, table in zip(self.sites, self._scopes, self._tables, strict=True):
            number = table[tuple(row[list(scope)])]
            if number >= 0:
                found.append((site.name, self.specs[number]))
        return Blueprint(tuple(name for name, _ in found), tuple(spec for _, spec in found))

    def specs_at(self) -> dict[str, list[LayerSpec]]:
        """For every site, the distinct layers that can stand there."""
        return {
            site.name: [self.specs[n] for n in np.unique(table) if n >= 0]
            for site, table in zip(self.sites, self._tables, strict=True)
        }

    def spec_numbers(self, codes: Codes) -> NDArray[np.int32]:
        """``(n, sites)`` positions in `specs`, -1 where an arch has no layer at a site."""
        found = np.empty((len(codes), len(self._tables)), dtype=np.int32)
        for i, (scope, table) in enumerate(zip(self._scopes, self._tables, strict=True)):
            found[:, i] = table[_at(codes, scope)]  # one value for all where a site reads no genes
        return found

    def total(self, values: ArrayLike) -> Cost:
        """Prepares the sum over layers of one number per spec, in the order of `specs`."""
        return self._compile(values, np.add)

    def peak(self, values: ArrayLike) -> Cost:
        """Prepares the maximum over layers of one number per spec."""
        return self._compile(values, np.maximum)

    def _compile(self, values: ArrayLike, join: np.ufunc) -> Cost:
        vector = np.append(np.asarray(values), 0)  # the last entry answers -1: no layer, no cost
        if len(vector) != len(self.specs) + 1:
            raise SpaceError(
                f"need one value for each of the {len(self.specs)} specs of the space, got {len(vector) - 1}"
            )
        return Cost(self._join([vector[table] for table in self._tables], join), join)

    def factors(self, values: NDArray[np.float64]) -> dict[tuple[int, ...], NDArray[np.float64]]:
        """What the layers of all sites add up to, as tables over the codes of a few columns each.

        Args:
            values: ``(sites, specs + 1)``, what each layer counts at each site, and last what it counts that there is none.
        """
        parts = [own[table] for own, table in zip(values, self._tables, strict=True)]
        return {scope: np.asarray(factor, dtype=np.float64) for scope, factor in self._join(parts, np.add).items()}

    def _join(self, parts: Sequence[NDArray[np.generic]], join: np.ufunc) -> dict[tuple[int, ...], NDArray[np.generic]]:
        factors: dict[tuple[int, ...], NDArray[np.generic]] = {}
        by_breadth = sorted(zip(self._scopes, parts, strict=True), key=lambda pair: -len(pair[0]))
        for scope, own in by_breadth:  # a site whose genes another site reads too adds to its table
            home = next((s for s in factors if set(scope) <= set(s)), scope)
            part = _spread(own, scope, home)
            factors[home] = join(factors[home], part) if home in factors else part
        return factors


class Cost:
    """A number for every row of a population; call it with the codes."""

    def __init__(self, factors: Mapping[tuple[int, ...], NDArray[np.generic]], join: np.ufunc) -> None:
        self._factors = [(scope, np.ascontiguousarray(factor)) for scope, factor in factors.items()]
        self._join = join

    def __call__(self, codes: Codes) -> NDArray[np.generic]:
        result: NDArray[np.generic] | None = None
        for scope, factor in self._factors:
            part = factor[_at(codes, scope)]
            result = part if result is None else self._join(result, part)
        assert result is not None
        return np.broadcast_to(result, (len(codes),)) if result.ndim == 0 else result


def _at(codes: Codes, scope: tuple[int, ...]) -> tuple[NDArray[np.int16], ...]:
    """An index into a table over `scope`; OFF, being -1, meets the last entry of its axis."""
    return tuple(codes[:, i] for i in scope)


def _table(
    site: Site, columns: Sequence[Column], scope: tuple[int, ...], off: Set[str], numbers: dict[LayerSpec, int]
) -> NDArray[np.int32]:
    shape = tuple(len(columns[i].choices) + 1 for i in scope)
    if math.prod(shape) > MOST_COMBINATIONS:
        raise SpaceError(
            f"site '{site.name}' depends on {math.prod(shape):,} combinations of {list(site.genes)}, over the limit of "
            f"{MOST_COMBINATIONS:,}; split it into sites that read fewer genes"
        )
    table = np.full(shape, -1, dtype=np.int32)
    choices: list[tuple[Choice | None, ...]] = [  # the last entry of an axis stands for OFF
        (*columns[i].choices, None) if gene in off else columns[i].choices
        for gene, i in zip(site.genes, scope, strict=True)
    ]
    rules = [  # which of two axes' values an arch may have together
        (scope.index(parent), axis, columns[i].allowed.tolist())
        for axis, i in enumerate(scope)
        if (parent := columns[i].parent) in scope
    ]
    for where in itertools.product(*map(range, map(len, choices))):
        if not all(allowed[where[before]][where[after]] for before, after, allowed in rules):
            continue
        spec = site.spec(*(values[code] for values, code in zip(choices, where, strict=True)))
        if spec is not None:
            table[where] = numbers.setdefault(spec, len(numbers))
    return table


def _spread(part: NDArray[np.generic], scope: tuple[int, ...], home: tuple[int, ...]) -> NDArray[np.generic]:
    """Turns a table over `scope` into one over `home`, which holds the same columns and more."""
    order = [scope.index(i) for i in home if i in scope]
    axes = tuple(slice(None) if i in scope else np.newaxis for i in home)
    return part.transpose(order)[axes]
