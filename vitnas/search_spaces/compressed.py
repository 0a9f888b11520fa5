"""Compressed: the space of the networks of another one whose layers have precisions too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from vitnas.errors import InvalidArchError, SpaceError, UnknownNameError, suggest
from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import OFF, Column, Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.search_spaces.precision_genes import WEIGHTLESS, PrecisionGenes, by_kind, by_site
from vitnas.search_spaces.space import Published, SearchSpace, Task

BY: Mapping[str, Callable[[SearchSpace, tuple[str, ...], Sequence[str]], PrecisionGenes]] = {
    "site": by_site,
    "kind": by_kind,
}
"""What a gene says the precision of."""
KEEP: tuple[str, ...] = ("stem", "head")
BEGINNING = "compress:"
"""How the name of such a space begins: ``compress:w7a8:BASE``, ``compress:w8a8,w4,by=kind,keep=head:BASE``."""


@dataclass(frozen=True, eq=False)
class Compressed(SearchSpace):
    """The genes of a space, and genes that say in which precision the layers are computed.

    Its networks share the weights of those of the base, and the largest of both is the same network. Layers that have no linear
    map and no convolution stay in float, and so do the families in `keep`. The precision of a layer that an arch does not have is
    switched off where one gene of the base decides that; where two do, it may be chosen and means nothing.

    Attributes:
        base: the space of the architectures.
        menu: the precisions, from the least to the most costly, float among them.
        by: ``site`` or ``kind``.
        keep: families of sites that stay in float.
    """

    base: SearchSpace = field(kw_only=True)
    menu: tuple[str, ...] = field(kw_only=True)
    by: str = field(default="site", kw_only=True)
    keep: tuple[str, ...] = field(default=KEEP, kw_only=True)

    def __post_init__(self) -> None:
        names = {gene.name for gene in self.base.genes()}
        kept = tuple(one for one in self.only if one[0].partition("[")[0] in names)
        if self.base.task != self.task or self.base.only != kept:
            object.__setattr__(self, "base", replace(self.base, task=self.task, only=kept))

    @cached_property
    def _precisions(self) -> PrecisionGenes:
        return BY[self.by](replace(self.base, only=()), self.menu, self.keep)

    def genes(self) -> Sequence[Gene]:
        return [*self.base.genes(), *self._precisions.genes]

    def sites(self) -> Sequence[Site]:
        columns = self._precisions.columns
        return [
            replace(site, genes=(*site.genes, columns[site.name]), spec=_at_precision(site))
            if site.name in columns
            else site
            for site in self.base.sites()
        ]

    def published(self) -> Mapping[str, Published]:
        """Those of the base, in float, whatever this space is kept to."""
        whole = replace(self, base=replace(self.base, only=()), only=())
        return {
            name: replace(one, genes=dict(whole.compress(whole.base.arch(**one.genes)).genes))
            for name, one in self.base.published().items()
        }

    def plain(self, arch: Arch) -> Arch:
        """The arch of the base, without precisions."""
        self.check(arch)
        return Arch(self.base.name, tuple((name, value) for name, value in arch.genes if name not in self._own))

    @property
    def columns_at(self) -> Mapping[str, str]:
        """For every site that may have a precision, the column that says it."""
        return self._precisions.columns

    def compress(self, arch: Arch, precisions: str | Mapping[str, str] = FLOAT.name) -> Arch:
        """An arch of the base at precisions.

        Args:
            arch: of the base.
            precisions: one for all layers that may have it, or one each site; sites that are not named stay in float.
        """
        layers = self.base.lower(self.base.check(arch)).items()
        present = [site for site, spec in layers if site in self.columns_at and spec.kind not in WEIGHTLESS]
        asked = precisions if isinstance(precisions, Mapping) else dict.fromkeys(present, precisions)
        chosen: dict[str, str] = {}
        for site in [*present, *asked]:
            name = asked.get(site, FLOAT.name)
            if name not in self.menu:
                raise InvalidArchError(f"space '{self.name}' has no precision '{name}'; {suggest(name, self.menu)}")
            if site not in present and name != FLOAT.name:
                raise InvalidArchError(
                    f"space '{self.name}': no layer at site '{site}' of this arch takes a precision; {suggest(site, present)}"
                )
            if site in present and chosen.setdefault(self.columns_at[site], name) != name:
                raise InvalidArchError(
                    f"site '{site}' of space '{self.name}' cannot be at '{name}', as another site that reads its gene is at "
                    f"'{chosen[self.columns_at[site]]}'; give both the same, or compress by site"
                )
        codes = self.genome.empty(1)
        for i, column in enumerate(self.columns):
            value = chosen.get(column.name, FLOAT.name) if column.gene in self._own else _value(arch, column)
            if column.name in chosen and value not in column.choices:
                raise InvalidArchError(
                    f"space '{self.name}' keeps '{column.name}' to {list(column.choices)}, and '{value}' is asked for; "
                    f"{suggest(value, map(str, column.choices))}"
                )
            codes[0, i] = column.choices.index(value) if value in column.choices else OFF
        return self.check(self.decode(codes)[0])

    def at(self, menu: Sequence[str], by: str | None = None, keep: Sequence[str] | None = None) -> Compressed:
        """The same networks at other precisions, kept to what this space is kept to.

        Args:
            menu: names of precisions.
            by: ``site`` or ``kind``; by default as here.
            keep: families of sites in float; by default as here.
        """
        found = compressed(self.base, menu, by or self.by, self.keep if keep is None else keep)
        own = {name: kept for name, kept in self.only if name not in dict(self.base.only)}
        left = {name: tuple(one for one in kept if one in found.menu) for name, kept in own.items()}
        for name, kept in left.items():
            if not kept:
                raise SpaceError(
                    f"space '{self.name}' keeps '{name}' to {list(own[name])}, and the menu {list(found.menu)} has none of these; add one to it"
                )
        return replace(found, only=(*found.only, *left.items())) if left else found

    @cached_property
    def _own(self) -> frozenset[str]:
        return frozenset(gene.name for gene in self._precisions.genes)


def compressed(base: SearchSpace, menu: Sequence[str], by: str = "site", keep: Sequence[str] = KEEP) -> Compressed:
    """The compressed space of a base, with the name by which `load_space` finds it."""
    if isinstance(base, Compressed):
        raise SpaceError(f"space '{base.name}' has precisions already; compress '{base.base.name}'")
    if by not in BY:
        raise SpaceError(f"the genes of precisions are by 'site' or by 'kind', not by '{by}'; {suggest(by, BY)}")
    precisions = sorted({Precision.of(name) for name in (*menu, FLOAT.name)}, key=lambda one: one.cost)
    names, kept = tuple(one.name for one in precisions), tuple(dict.fromkeys(keep))
    if len(names) == 1:
        raise SpaceError(
            f"space '{base.name}' is to be compressed to '{FLOAT}' alone; name another precision, such as 'w8a8'"
        )
    asked = [*(name for name in names if name != FLOAT.name), *[f"by={by}"] * (by != "site")]
    asked += [f"keep={'+'.join(kept)}"] * (kept != KEEP)
    name = f"{BEGINNING}{','.join(asked)}:{base.name}"
    found = Compressed(name, base.task, only=base.only, base=base, menu=names, by=by, keep=kept)
    if not found.columns_at:
        raise SpaceError(f"space '{name}': none of its layers takes a precision; keep fewer families than {list(kept)}")
    return found


def is_compressed_name(name: str) -> bool:
    """Whether a name of a space is that of a compressed one."""
    return name.startswith(BEGINNING)


def load_compressed(name: str, task: Task | None, load: Callable[[str, Task | None], SearchSpace]) -> Compressed:
    """The space of this name; `load` finds its base."""
    asked, colon, base = name.removeprefix(BEGINNING).partition(":")
    if not colon or not base:
        raise UnknownNameError(f"'{name}' names no base; write {BEGINNING}PRECISION,...:SPACE, as {BEGINNING}w8a8:deit")
    menu, options = [], {"by": "site", "keep": "+".join(KEEP)}
    for part in asked.split(","):
        key, equals, value = part.partition("=")
        if not equals:
            menu.append(part)
        elif key in options:
            options[key] = value
        else:
            raise UnknownNameError(f"'{name}': no option '{key}' of a compressed space; {suggest(key, options)}")
    keep = [family for family in options["keep"].split("+") if family]
    return compressed(load(base, task), menu, options["by"], keep)


def as_named(space: SearchSpace, name: str) -> SearchSpace:
    """The compressed space of this name over a space, which fronts and archs of it name; any other name gives the space itself."""
    if not is_compressed_name(name) or name == space.name:
        return space
    base = space.base if isinstance(space, Compressed) else space
    if not name.endswith(f":{base.name}"):
        return space
    found = load_compressed(name, base.task, lambda *_: base)
    return space.at(found.menu, found.by, found.keep) if isinstance(space, Compressed) else found


def _at_precision(site: Site) -> Callable[..., LayerSpec | None]:
    """The layer of a site, given one gene more."""
    plain = lru_cache(maxsize=1)(site.spec)  # tables are filled with the last gene changing first

    def spec(*values: Any) -> LayerSpec | None:
        found = plain(*values[:-1])
        return found if found is None or found.kind in WEIGHTLESS else found.at(values[-1])

    return spec


def _value(arch: Arch, column: Column) -> Any:
    """What an arch has in a column, or None where that is off."""
    value = dict(arch.genes).get(column.gene)
    if column.position is None or not isinstance(value, tuple):
        return value
    return value[column.position] if column.position < len(value) else None
