"""SearchSpace: named genes with choices, and what network each combination stands for."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import InvalidArchError, SpaceError, suggest
from vitnas.registry import Registry
from vitnas.search_spaces.answers import answering
from vitnas.search_spaces.answers.task import Task as Task
from vitnas.search_spaces.arch import Arch, GeneValue
from vitnas.search_spaces.blueprint import Blueprint
from vitnas.search_spaces.gene import OFF, Choice, Column, Gene, make_columns, possible_columns, possible_genes
from vitnas.search_spaces.genome import Codes, Genome
from vitnas.search_spaces.lowering import Lowering, Site
from vitnas.search_spaces.value_reader import ValueReader

if TYPE_CHECKING:
    from vitnas.search_spaces.compressed import Compressed

DERIVED: Registry[Callable[..., Any]] = Registry(
    "space that is made of another",
    "vitnas.derived_spaces",
    {"compressed": "vitnas.search_spaces.compressed:compressed"},
)


@dataclass(frozen=True)
class Published:
    """A published arch of a space with the counts it must have (MACs to 0.1 %)."""

    genes: Mapping[str, GeneValue]
    num_params: int
    macs: float


class Source(Protocol):
    """The text that a space was read from and, in another process or from a run folder, can be read from again."""

    @property
    def name(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def suffix(self) -> str: ...

    def load(self, task: Task | None = None) -> SearchSpace: ...


@dataclass(frozen=True, eq=False)
class SearchSpace(ABC):
    """A family of networks. A subclass says its `genes()` and its `sites()`; the rest follows.

    Attributes:
        name: how people and files call the space.
        task: image size, channels and classes that its networks are built for.
        only: choices to keep, a smaller space over the same weights.
        source: the file that the space was read from, if it is nobody's but its user's.
    """

    name: str
    task: Task = Task()  # noqa: RUF009 -- it cannot be changed
    only: tuple[tuple[str, tuple[Choice, ...]], ...] = field(default=(), kw_only=True)
    source: Source | None = field(default=None, kw_only=True, repr=False)

    @abstractmethod
    def genes(self) -> Sequence[Gene]:
        """The genes, each after those it refers to; choices from least to most costly."""

    @abstractmethod
    def sites(self) -> Sequence[Site]:
        """The places in the network in order, and which layer the genes put there."""

    def published(self) -> Mapping[str, Published]:
        """Published archs of this space by name, for the contract tests and as starting points."""
        return {}

    # -- reading ---------------------------------------------------------------------------

    @property
    def file_name(self) -> str:
        """The name as a part of the name of a file: a space of a given network has colons and slashes in its own."""
        return re.sub(r"[^\w.+-]+", "-", self.name)

    @cached_property
    def all_genes(self) -> tuple[Gene, ...]:
        """The genes with `only` applied."""
        genes = {gene.name: gene for gene in self.genes()}
        if not self.only:
            return tuple(genes.values())
        columns = make_columns(tuple(genes.values()))  # refuses what the space itself has wrong
        left = {column.name: column.choices for column in columns} | {g.name: g.choices for g in genes.values()}
        for name, kept in self.only:
            if name not in left:
                raise SpaceError(f"space '{self.name}' has no gene '{name}'; {suggest(name, genes)}")
            odd = [c for c in kept if c not in left[name]]
            if odd or not kept:
                raise SpaceError(
                    f"gene '{name}' of space '{self.name}' cannot be kept to {list(kept)}; {suggest(odd[0] if odd else '', left[name])}"
                )
            left[name] = tuple(c for c in left[name] if c in kept)
            if name in genes:
                genes[name] = replace(genes[name], choices=left[name])
        return possible_genes(genes.values())

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        genes = {gene.name: gene for gene in self.all_genes}
        at = {name: kept for name, kept in self.only if name not in genes and name.partition("[")[0] in genes}
        for name, kept in at.items():
            gene = genes[name.partition("[")[0]]
            if not set(kept) & set(gene.choices):
                raise SpaceError(
                    f"'{name}' of space '{self.name}' cannot be kept to {list(kept)}, as '{gene.name}' is kept to {list(gene.choices)}; keep one of those"
                )
        return make_columns(self.all_genes, at)

    @cached_property
    def genome(self) -> Genome:
        """Whole populations as integer arrays."""
        return Genome(self.columns)

    @cached_property
    def lowering(self) -> Lowering:
        """Whole populations as layers, and the costs that add up over them."""
        dropped = {c.name for c in make_columns(self.genes())} - possible_columns(self.columns)
        left = (site.without(dropped) for site in answering(self.sites(), self.task))
        return Lowering(self.columns, [site for site in left if site is not None])

    def restrict(self, **only: Iterable[Choice]) -> SearchSpace:
        """The same space with some genes, or single positions such as ``heads[3]``, kept to fewer choices."""
        return replace(self, only=(*self.only, *((name, tuple(kept)) for name, kept in only.items())))

    def alone(self, arch: Arch) -> SearchSpace:
        """The space that has this arch and no other, so that its supernet is that network and nothing more."""
        codes = self.encode([self.check(arch)])[0]
        return self.restrict(
            **{c.name: (c.choices[code],) for c, code in zip(self.columns, codes, strict=True) if code != OFF}
        )

    def compressed(self, menu: Iterable[str], by: str = "site", keep: Iterable[str] = ("stem", "head")) -> Compressed:
        """The space of the same networks in which layers have precisions too.

        Args:
            menu: names of precisions; ``float`` is always among them.
            by: ``site`` for one gene a family of sites, ``kind`` for one a kind of layer.
            keep: families of sites that stay in float.
        """
        found: Compressed = DERIVED.load("compressed")(self, tuple(menu), by, tuple(keep))
        return found

    @cached_property
    def fingerprint(self) -> str:
        """Changes with anything that changes a network of this space; files of weights and tables carry it."""
        layers = {site: [s.key for s in specs] for site, specs in self.lowering.specs_at().items()}
        genes = [(g.name, g.choices, g.per, g.when, g.at_least) for g in self.all_genes]
        choices = {gene.name: gene.choices for gene in self.all_genes}
        positions = [(c.name, c.choices) for c in self.columns if c.choices != choices[c.gene]]
        text = json.dumps([self.name, genes, layers, *positions], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    # -- archs -----------------------------------------------------------------------------

    def arch(self, **genes: Any) -> Arch:
        """The arch with these gene values; every switched-on gene must be given."""
        return self.decode(self._reader.codes(genes)[None])[0]

    def check(self, arch: Arch) -> Arch:
        """The same arch in canonical form, or an error that says why it is none of this space."""
        if arch.space != self.name:
            raise InvalidArchError(
                f"arch {arch.id} belongs to space '{arch.space}', not to '{self.name}'; name its space, or pick another arch"
            )
        return self.arch(**dict(arch.genes))

    def why_invalid(self, arch: Arch) -> str | None:
        """The reason why this is no arch of the space, or None."""
        try:
            self.check(arch)
        except InvalidArchError as error:
            return str(error)
        return None

    def lower(self, arch: Arch) -> Blueprint:
        """The layers of one arch."""
        return self._lower(arch)

    @cached_property
    def _lower(self) -> Callable[[Arch], Blueprint]:
        """Remembers the latest archs: a training step lowers the same one many times."""
        return lru_cache(maxsize=4096)(lambda arch: self.lowering.blueprint(self.encode([arch])[0]))

    def __getstate__(self) -> dict[str, Any]:
        """Only what defines the space travels to other processes; what follows is derived there."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A space from a file is read again: no other process has a module of that file."""
        if self.source is None:
            return super().__reduce_ex__(protocol)
        return _read_again, (self.source, self.task, self.only)

    def sample(self, n: int, rng: np.random.Generator) -> list[Arch]:
        return self.decode(self.genome.sample(n, rng))

    def smallest(self) -> Arch:
        return self.decode(self.genome.repair(np.zeros_like(self.genome.empty(1))))[0]

    def largest(self) -> Arch:
        top = np.array([[len(c.choices) - 1 for c in self.columns]], dtype=np.int16)
        return self.decode(self.genome.repair(top))[0]

    def named(self, name: str) -> Arch:
        """A published arch of this space."""
        known = self.published()
        if name not in known:
            raise InvalidArchError(f"space '{self.name}' has no published arch '{name}'; {suggest(name, known)}")
        return self.arch(**known[name].genes)

    def name_of(self, arch: Arch) -> str | None:
        """The name that an arch was published under."""
        return next((name for name, known in self.published().items() if dict(known.genes) == dict(arch.genes)), None)

    # -- codes -----------------------------------------------------------------------------

    def encode(self, archs: Sequence[Arch]) -> Codes:
        """``(n, columns)`` integers; the inverse of `decode`."""
        rows = []
        for arch in archs:
            if arch.space != self.name:
                self.check(arch)
            rows.append(self._reader.codes(dict(arch.genes)))
        return np.array(rows, dtype=np.int16).reshape(len(rows), len(self.columns))

    def decode(self, codes: Codes) -> list[Arch]:
        return [self._decode(row) for row in self.genome.repair(codes)]

    @cached_property
    def _reader(self) -> ValueReader:
        return ValueReader(self.name, self.all_genes, self.columns)

    def _decode(self, row: NDArray[np.int16]) -> Arch:
        values: dict[str, Any] = {}
        for column, code in zip(self.columns, row, strict=True):
            value = column.choices[code] if code != OFF else None
            if column.position is None:
                if value is not None:
                    values[column.gene] = value
            else:
                values.setdefault(column.gene, []).append(value)
        genes = {gene.name: gene for gene in self.all_genes}
        for name, value in values.items():
            per = genes[name].per
            if per is not None:
                values[name] = tuple(value[: values.get(per, 0)])
        # A gene that is off everywhere is left out, so that a restricted space without it names the same archs.
        on = {name: value for name, value in values.items() if not isinstance(value, tuple) or set(value) - {None}}
        return Arch(self.name, tuple(on.items()))


def _read_again(source: Source, task: Task, only: tuple[tuple[str, tuple[Choice, ...]], ...]) -> SearchSpace:
    return replace(source.load(task), only=only)
