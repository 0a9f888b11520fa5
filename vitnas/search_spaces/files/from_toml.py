"""A search space from a TOML file: genes and sites as data, or a built-in space with changed choices."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from vitnas.errors import SpaceError, suggest
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.compressed import KEEP
from vitnas.search_spaces.files.changes import changeable, in_form_of
from vitnas.search_spaces.files.expression import FUNCTIONS, Expression
from vitnas.search_spaces.gene import Choice, Gene, make_columns
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published import SPACES
from vitnas.search_spaces.space import SearchSpace, Source, Task
from vitnas.settings import make_settings

Size = int | str


@dataclass(frozen=True)
class WhenTable:
    """``when = {gene = "mixer", is = ["pool"]}``; the words of `vitnas spaces show --json`."""

    gene: str
    values: tuple[Choice, ...]


@dataclass(frozen=True)
class GeneTable:
    """One ``[[genes]]``."""

    name: str
    choices: tuple[Choice, ...]
    per: str | None = None
    when: dict[str, Any] | None = None
    at_least: str | None = None


@dataclass(frozen=True)
class SiteTable:
    """One ``[[sites]]``; sites that follow one another with the same `repeat` take turns.

    Attributes:
        name: with ``{i}`` in it where the site is repeated.
        kind: the layer kind.
        in_shape: numbers or expressions over genes, constants and ``i``.
        out_shape: the same; left out, the layer keeps the shape.
        attrs: of the layer; text that begins with ``=`` is an expression.
        when: an expression; where it is false, the arch has no such layer.
        repeat: the gene that says how many there are.
    """

    name: str
    kind: str
    in_shape: tuple[Size, ...]
    out_shape: tuple[Size, ...] | None = None
    attrs: dict[str, Choice] = field(default_factory=dict)
    when: str | None = None
    repeat: str | None = None


@dataclass(frozen=True)
class CompressTable:
    """``[compress]``: layers have precisions too.

    Attributes:
        menu: names of precisions, such as ``w8a8``.
        by: ``site`` or ``kind``.
        keep: families of sites that stay in float.
    """

    menu: tuple[str, ...]
    by: str = "site"
    keep: tuple[str, ...] = KEEP


@dataclass(frozen=True)
class WholeFile:
    """A space of one's own: genes and sites."""

    name: str
    genes: list[dict[str, Any]]
    sites: list[dict[str, Any]]
    task: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, int | float | str] = field(default_factory=dict)
    compress: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExtendingFile:
    """A built-in space under another name, with other choices (`change`) or with fewer (`only`)."""

    name: str
    extends: str
    task: dict[str, Any] = field(default_factory=dict)
    change: dict[str, Any] = field(default_factory=dict)
    only: dict[str, list[Choice]] = field(default_factory=dict)
    compress: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TomlSpace(SearchSpace):
    """What a file lists, compiled."""

    listed_genes: tuple[Gene, ...] = field(kw_only=True)
    listed_sites: tuple[Site, ...] = field(kw_only=True)

    def genes(self) -> Sequence[Gene]:
        return self.listed_genes

    def sites(self) -> Sequence[Site]:
        return self.listed_sites


def compression_of(file: Source) -> CompressTable | None:
    """What the file says of precisions, if it does."""
    data = _read(file).get("compress")
    return None if data is None else make_settings(CompressTable, data, f"{file.name}, [compress]")


def space_from_toml(file: Source, task: Task | None) -> SearchSpace:
    """The space of a file for a task, or for the ``[task]`` of the file; without precisions, see `compression_of`."""
    data = _read(file)
    if "extends" in data:
        return _extended(make_settings(ExtendingFile, data, file.name), task, file.name)
    read = make_settings(WholeFile, data, file.name)
    task = task or make_settings(Task, read.task, f"{file.name}, [task]")
    genes = tuple(_gene(table, f"{file.name}, [[genes]] {n}") for n, table in enumerate(read.genes, 1))
    try:
        make_columns(genes)
    except SpaceError as error:
        raise SpaceError(f"{file.name}, [[genes]]: {error}") from None
    sites = _Sites(genes, _constants(read.constants, task, genes, f"{file.name}, [constants]"), file.name)
    return TomlSpace(read.name, task, listed_genes=genes, listed_sites=tuple(sites.read(read.sites)))


def _read(file: Source) -> dict[str, Any]:
    try:
        return tomllib.loads(file.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SpaceError(f"{file.name} is not valid TOML: {error}") from None


def _gene(data: Mapping[str, Any], where: str) -> Gene:
    table = make_settings(GeneTable, data, where)
    where = f"{where} '{table.name}'"
    if not table.name.isidentifier() or table.name in FUNCTIONS or table.name == "i":
        raise SpaceError(f"{where}: expressions read genes by name: use letters, digits and _, and none of i, min, max")
    when = None
    if table.when is not None:
        if set(table.when) != {"gene", "is"}:
            raise SpaceError(f"{where}, key 'when': write {{gene = NAME, is = [VALUES]}}; got {table.when}")
        read = make_settings(
            WhenTable, {"gene": table.when["gene"], "values": table.when["is"]}, f"{where}, key 'when'"
        )
        when = (read.gene, read.values)
    return Gene(table.name, table.choices, table.per, when, table.at_least)


def _constants(
    given: Mapping[str, int | float | str], task: Task, genes: Sequence[Gene], where: str
) -> dict[str, Choice]:
    height, width = task.sides
    square = {"image_size": height} if height == width else {}  # of others nothing is both sides
    found: dict[str, Choice] = {
        **square,
        "image_height": height,
        "image_width": width,
        "num_classes": task.num_classes,
        "in_channels": task.in_channels,
    }
    taken = {*found, *FUNCTIONS, "i"}
    for gene in genes:
        if gene.name in taken:
            raise SpaceError(f"{where}: gene '{gene.name}' has the name of a constant; rename it")
    for name, text in given.items():
        if not name.isidentifier() or name in {*taken, *(gene.name for gene in genes)}:
            raise SpaceError(f"{where}, key '{name}': no name of its own of letters, digits and _; rename it")
        expression = Expression(text, f"{where}, key '{name}'")
        expression.check_names(found)
        found[name] = expression(found)
    return found


class _Sites:
    """Turns the tables of sites into sites."""

    def __init__(self, genes: Sequence[Gene], constants: Mapping[str, Choice], file: str) -> None:
        self._genes = {gene.name: gene for gene in genes}
        self._constants = constants
        self._file = file

    def read(self, tables: Sequence[Mapping[str, Any]]) -> list[Site]:
        read = []
        for n, data in enumerate(tables, 1):
            where = f"{self._file}, [[sites]] {n}"
            table = make_settings(SiteTable, data, where)
            read.append((table, f"{where} '{table.name}'"))
            if (table.repeat is not None) != ("{i}" in table.name):
                raise SpaceError(f"{where} '{table.name}': a name has {{i}} in it exactly where the site has `repeat`")
        found = []
        for repeat, group in itertools.groupby(read, key=lambda pair: pair[0].repeat):
            members = list(group)
            for i in range(self._most(repeat, members[0][1])) if repeat is not None else [None]:
                found += [self._site(table, where, i) for table, where in members]
        return found

    def _most(self, repeat: str, where: str) -> int:
        gene = self._genes.get(repeat)
        if gene is None:
            raise SpaceError(f"{where}, key 'repeat': no gene '{repeat}'; {suggest(repeat, self._genes)}")
        if gene.per or gene.when or not all(type(c) is int and c >= 0 for c in gene.choices):
            raise SpaceError(
                f"{where}, key 'repeat': gene '{repeat}' must be one whole number per arch; "
                f"its choices are {list(gene.choices)}" + (f", per '{gene.per}'" if gene.per else "")
            )
        return max(int(c) for c in gene.choices)

    def _site(self, table: SiteTable, where: str, i: int | None) -> Site:
        in_shape = [Expression(text, f"{where}, key 'in_shape'") for text in table.in_shape]
        out_shape = [
            Expression(text, f"{where}, key 'out_shape'")
            for text in (table.in_shape if table.out_shape is None else table.out_shape)
        ]
        attrs: dict[str, Choice | Expression] = {
            name: Expression(value[1:], f"{where}, attr '{name}'")
            if isinstance(value, str) and value.startswith("=")
            else value
            for name, value in table.attrs.items()
        }
        when = Expression(table.when, f"{where}, key 'when'") if table.when is not None else None
        fixed = {**self._constants, **({"i": i} if i is not None else {})}
        expressions = [*in_shape, *out_shape, *(a for a in attrs.values() if isinstance(a, Expression))]
        expressions += [when] if when else []
        for expression in expressions:
            expression.check_names({*self._genes, *fixed})
        named = {name for expression in expressions for name in expression.names}
        reads = [gene for gene in self._genes.values() if gene.name in named]
        depth = table.repeat
        if depth is not None and not any(gene.per == depth for gene in reads) and self._genes[depth] not in reads:
            reads.append(self._genes[depth])  # what says that there is a block at this place
        for gene in reads:
            if gene.per is not None and gene.per != depth:
                raise SpaceError(
                    f"{where}: gene '{gene.name}' has one value per '{gene.per}'; read it in a site with repeat = \"{gene.per}\""
                )
        columns = tuple(gene.name if gene.per is None else f"{gene.name}[{i}]" for gene in reads)

        def spec(*values: Choice) -> LayerSpec | None:
            known = {**fixed, **dict(zip((gene.name for gene in reads), values, strict=True))}
            if i is not None and int(known.get(depth or "", i + 1)) <= i:
                return None
            if when is not None and not when(known):
                return None
            settled = {n: a(known) if isinstance(a, Expression) else a for n, a in attrs.items()}
            entering, leaving = (tuple(size.whole(known) for size in shape) for shape in (in_shape, out_shape))
            return LayerSpec(table.kind, entering, leaving, tuple(sorted(settled.items())))

        return Site(table.name.replace("{i}", str(i)), columns, spec)


def _extended(read: ExtendingFile, task: Task | None, file: str) -> SearchSpace:
    if read.extends not in SPACES:
        raise SpaceError(
            f"{file}, key 'extends': no search space named '{read.extends}'; {suggest(read.extends, SPACES)}"
        )
    make = SPACES.load(read.extends)
    base = make()
    if task is None and read.task:
        task = make_settings(Task, {**asdict(base.task), **read.task}, f"{file}, [task]")
    base = base if task is None else make(task)
    own = {f.name: getattr(base, f.name) for f in fields(base) if f.name not in {"name", "task", "only", "source"}}
    plain = changeable(type(base), own)
    changes: dict[str, Any] = {}
    for key, value in read.change.items():
        where = f"{file}, [change], key '{key}'"
        if key not in plain:
            raise SpaceError(f"{where}: space '{read.extends}' has no such thing to change; {suggest(key, plain)}")
        changes[key] = in_form_of(plain[key], value, where)
    if changes:  # published archs are those of the choices that were published
        changes |= {name: {} for name, value in own.items() if isinstance(value, Mapping)}
    space = replace(base, name=read.name, **changes)
    return space.restrict(**read.only) if read.only else space
