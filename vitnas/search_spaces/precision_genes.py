"""Which genes say the precisions of a space's layers: one a family of sites, or one a kind of layer."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vitnas.errors import SpaceError, suggest
from vitnas.search_spaces.gene import Choice, Gene
from vitnas.search_spaces.space import SearchSpace

PREFIX = "precision_"
WEIGHTLESS = frozenset({"pooling_mixer", "pool_mixing", "spectral_gate"})
"""Kinds without a linear map or a convolution: they have no precision."""
OF_DEPTH = frozenset({"block", "group"})
"""Words that say of a family no more than that there is one for each unit of a depth."""
ENDS = {"stem": 0, "head": -1}
"""Families that every space has: if no site is called so, its first and its last."""


@dataclass(frozen=True)
class PrecisionGenes:
    """Genes, and which column each site reads.

    Attributes:
        genes: to stand behind those of the space.
        columns: site -> column, as ``precision_ffn[3]``; sites that are not here stay in float.
    """

    genes: tuple[Gene, ...]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class _RoundedSite:
    """A site whose layers may have a precision.

    Attributes:
        name: of the site.
        kinds: those of its layers that have one.
        on: for each column that the site reads, the choices with which it may have a layer at all.
        needs: those of the columns in which some choice leaves the layer out.
    """

    name: str
    kinds: tuple[str, ...]
    on: Mapping[str, tuple[Choice, ...]]
    needs: tuple[str, ...]

    @cached_property
    def numbers(self) -> list[re.Match[str]]:
        return list(re.finditer(r"\d+", self.name))

    def number(self, which: int) -> int:
        return int(self.numbers[which].group())

    def without(self, which: int) -> str:
        """The name without one of its numbers: ``block3_ffn`` becomes ``block_ffn``."""
        found = self.numbers[which]
        return self.name[: found.start()] + self.name[found.end() :]


def by_site(space: SearchSpace, choices: tuple[str, ...], keep: Sequence[str]) -> PrecisionGenes:
    """One gene a family: the sites of all blocks with one name share a gene with a value for each unit of their depth."""
    left = {place.name: place for place in places(space, keep)}
    genes: list[Gene] = []
    columns: dict[str, str] = {}
    most = max((len(place.numbers) for place in left.values()), default=0)
    for which in reversed(range(most)):  # the number of a block is the last in a name, or the one before
        for family, members in _families(list(left.values()), which):
            depth = next((gene for gene in space.all_genes if _is_depth(space, gene, members, which)), None)
            if depth is None:
                continue
            words = family.split("_")
            name = PREFIX + "_".join([word for word in words if word not in OF_DEPTH] or words)
            numbered = {place.name: place.number(which) for place in members}
            genes.append(Gene(name, choices, depth.name, _condition(space, members, depth.name, numbered)))
            for place in members:
                columns[place.name] = f"{name}[{numbered[place.name]}]"
                del left[place.name]
    for place in left.values():
        genes.append(Gene(PREFIX + place.name, choices, when=_condition(space, [place])))
        columns[place.name] = PREFIX + place.name
    first = {column.partition("[")[0]: i for i, column in reversed([*enumerate(_in_order(space, columns))])}
    return PrecisionGenes(tuple(sorted(genes, key=lambda gene: first[gene.name])), columns)


def by_kind(space: SearchSpace, choices: tuple[str, ...], keep: Sequence[str]) -> PrecisionGenes:
    """One gene a kind; kinds that may stand at one site share a gene, named after the first of them."""
    found = places(space, keep)
    groups: list[tuple[str, ...]] = []
    for place in found:
        met = [group for group in groups if set(group) & set(place.kinds)]
        groups = [group for group in groups if group not in met]
        groups.append(tuple(dict.fromkeys([*itertools.chain(*met), *place.kinds])))
    first = {kind: PREFIX + group[0] for group in groups for kind in group}
    columns = {place.name: first[place.kinds[0]] for place in found}
    return PrecisionGenes(tuple(Gene(name, choices) for name in dict.fromkeys(columns.values())), columns)


def places(space: SearchSpace, keep: Sequence[str]) -> list[_RoundedSite]:
    """The sites whose layers may have a precision, in order; without those of the families in `keep`."""
    kept = _kept(space, keep)
    found = []
    for site, scope, table in space.lowering.tables:
        kinds = tuple(dict.fromkeys(space.lowering.specs[n].kind for n in np.unique(table) if n >= 0))
        kinds = tuple(kind for kind in kinds if kind not in WEIGHTLESS)
        if site.name in kept or not kinds:
            continue
        on = {}
        for axis, column in enumerate(scope):
            has = np.any(np.moveaxis(table, axis, 0).reshape(table.shape[axis], -1) >= 0, axis=1)
            own = space.columns[column].choices
            on[space.columns[column].name] = tuple(c for c, here in zip(own, has, strict=False) if here)
        needs = tuple(c.name for c in (space.columns[i] for i in scope) if len(on[c.name]) < len(c.choices))
        found.append(_RoundedSite(site.name, kinds, on, needs))
    return found


def _kept(space: SearchSpace, keep: Sequence[str]) -> set[str]:
    """The sites of these families; a family is a word of their names, or a name."""
    names = [site.name for site in space.lowering.sites]
    words = {name: {name, *(re.sub(r"\d+$", "", word) for word in name.split("_"))} for name in names}
    kept: set[str] = set()
    for family in keep:
        of_it = {name for name in names if family in words[name]}
        if not of_it and family in ENDS:
            of_it = {names[ENDS[family]]}
        if not of_it:
            known = dict.fromkeys([*itertools.chain(*words.values()), *ENDS])
            raise SpaceError(f"space '{space.name}' has no sites '{family}' to keep in float; {suggest(family, known)}")
        kept |= of_it
    return kept


def _families(left: Sequence[_RoundedSite], which: int) -> Iterator[tuple[str, list[_RoundedSite]]]:
    """Places that are named alike but for one of their numbers."""
    groups: dict[str, list[_RoundedSite]] = {}
    for place in left:
        if len(place.numbers) > which:
            groups.setdefault(place.without(which), []).append(place)
    yield from groups.items()


def _is_depth(space: SearchSpace, gene: Gene, members: Sequence[_RoundedSite], which: int) -> bool:
    """Whether a gene says how many of these places there are, one for each unit of it."""
    if gene.per is not None or not all(type(choice) is int and choice >= 0 for choice in gene.choices):
        return False
    lengths = [int(choice) for choice in gene.choices]
    numbers = [place.number(which) for place in members]
    if sorted(numbers) != list(range(max(lengths))):
        return False
    return any(_hangs(space, gene, place, number) for place, number in zip(members, numbers, strict=True)) and all(
        _hangs(space, gene, place, number) or number < min(lengths)
        for place, number in zip(members, numbers, strict=True)
    )


def _hangs(space: SearchSpace, depth: Gene, place: _RoundedSite, number: int) -> bool:
    """Whether a place exists only where the depth exceeds its number."""
    if depth.name in place.needs:
        return all(int(choice) > number for choice in place.on[depth.name])
    return any(column.partition("[")[0] in _per(space, depth) and column.endswith(f"[{number}]") for column in place.on)


def _per(space: SearchSpace, depth: Gene) -> set[str]:
    return {gene.name for gene in space.all_genes if gene.per == depth.name}


def _condition(
    space: SearchSpace, members: Sequence[_RoundedSite], depth: str | None = None, numbers: Mapping[str, int] = {}
) -> tuple[str, tuple[Choice, ...]] | None:
    """On which gene per the same depth it depends most whether there is a layer, and the values with which there is one."""
    found: list[tuple[float, str, tuple[Choice, ...]]] = []
    for gene in space.all_genes:
        if gene.per != depth:
            continue
        values: set[Choice] = set()
        for place in members:
            column = gene.name if depth is None else f"{gene.name}[{numbers[place.name]}]"
            values |= set(place.on[column] if column in place.needs else gene.choices)
        if len(values) < len(gene.choices):
            found.append((len(values) / len(gene.choices), gene.name, tuple(c for c in gene.choices if c in values)))
    return min(found)[1:] if found else None


def _in_order(space: SearchSpace, columns: Mapping[str, str]) -> list[str]:
    return [columns[site.name] for site in space.lowering.sites if site.name in columns]
