"""Exits: the space of the networks of another one that may end earlier, in heads of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vitnas.errors import SpaceError, UnknownNameError, suggest
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Choice, Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.space import Published, SearchSpace, Source, Task

KINDS = ("plain", "local", "global")
"""Heads of an exit: that of the space, LGViT's local convolution, and its attention among pooled patches."""
BEGINNING = "exits:"
"""How the name of such a space begins: ``exits:2+4:BASE``, ``exits:2+4,local+global:BASE``."""
GENE, DEPTH = "exit", "depth"
HEAD_WIDTH, STRIDE = 32, 2
"""Of the attention among pooled patches, and how many rows and columns of patches become one."""


@dataclass(frozen=True, eq=False)
class Exits(SearchSpace):
    """The genes of a space whose depth may also be one of an exit, where the gene ``exit`` says which head answers.

    Each exit has a head at a site of its own, so an arch that leaves there is a prefix of the deeper ones but for its
    head, and a cascade runs what they share once.

    Attributes:
        base: the space; it has a gene ``depth``, of which its head knows nothing.
        at: the depths that have an exit.
        kinds: of the heads.
    """

    base: SearchSpace = field(kw_only=True)
    at: tuple[int, ...] = field(kw_only=True)
    kinds: tuple[str, ...] = field(default=KINDS, kw_only=True)

    def __post_init__(self) -> None:
        if self.base.task != self.task or self.base.only:
            object.__setattr__(self, "base", replace(self.base, task=self.task, only=()))

    def genes(self) -> Sequence[Gene]:
        found = [
            replace(gene, choices=tuple(sorted({*map(int, gene.choices), *self.at}))) if gene.name == DEPTH else gene
            for gene in self.base.genes()
        ]
        return [*found, Gene(GENE, self.kinds, when=(DEPTH, self.at))]

    def sites(self) -> Sequence[Site]:
        *body, head = self.base.sites()
        if DEPTH in head.genes:
            raise SpaceError(
                f"space '{self.base.name}' has a head that reads its depth, so it has exits already; take it as it is"
            )

        def deepest(depth: int, *values: Any) -> LayerSpec | None:
            return None if depth in self.at else head.spec(*values)

        return [
            *body,
            *(Site(f"exit{d}", (DEPTH, GENE, *head.genes), self._exit(d, head), head.optional) for d in self.at),
            Site(head.name, (DEPTH, *head.genes), deepest, head.optional),
        ]

    def published(self) -> Mapping[str, Published]:
        return {name: one for name, one in self.base.published().items() if one.genes.get(DEPTH) not in self.at}

    def _exit(self, at: int, head: Site) -> Callable[..., LayerSpec | None]:
        def spec(depth: int, kind: str, *values: Any) -> LayerSpec | None:
            plain = head.spec(*values)
            return None if depth != at or plain is None else _head(self.name, plain, kind)

        return spec


def _head(space: str, plain: LayerSpec, kind: str) -> LayerSpec:
    """The head of an exit in the place of the space's own."""
    if kind == "plain":
        return plain
    attrs: dict[str, Any] = {}
    if len(plain.in_shape) == 2:
        tokens, known = plain.in_shape[0], dict(plain.attrs)
        usual = plain.kind == "classifier" or math.isqrt(tokens) ** 2 != tokens
        leading = int(known.get("registers", 0)) + int(known.get("class_token", usual))
        attrs["leading"], side = leading, math.isqrt(tokens - leading)
        if side**2 != tokens - leading:
            raise SpaceError(
                f"space '{space}': {tokens - leading} patches are no square, and exits of kind '{kind}' lay them out in one; "
                "keep the gene 'exit' to 'plain'"
            )
    else:
        side = min(plain.in_shape[1:])
    if kind == "local":
        return LayerSpec.of("local_exit", plain.in_shape, plain.out_shape, **attrs)
    width = plain.in_shape[-1] if attrs else plain.in_shape[0]
    attrs |= {"heads": max(1, width // HEAD_WIDTH), "head_width": HEAD_WIDTH, "stride": min(STRIDE, side)}
    return LayerSpec.of("global_exit", plain.in_shape, plain.out_shape, **attrs)


@dataclass(frozen=True)
class ExitsOfFile:
    """The file of a space, and the exits that it is read with."""

    of: Source
    at: tuple[int, ...]
    kinds: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.of.name

    @property
    def text(self) -> str:
        return self.of.text

    @property
    def suffix(self) -> str:
        return self.of.suffix

    def load(self, task: Task | None = None) -> Exits:
        return with_exits(self.of.load(task), self.at, self.kinds)


def with_exits(base: SearchSpace, at: Sequence[int], kinds: Sequence[str] = KINDS) -> Exits:
    """The space of the networks of a base that may end at these depths, with the name by which `load_space` finds it."""
    where = f"space '{base.name}'"
    genes = {gene.name: gene for gene in base.genes()}
    depth = genes.get(DEPTH)
    if isinstance(base, Exits):
        raise SpaceError(f"{where} has exits already; take '{base.base.name}'")
    if depth is None or depth.per is not None or not all(type(choice) is int for choice in depth.choices):
        raise SpaceError(
            f"{where} has no gene '{DEPTH}' that says how many blocks there are, so no arch is a prefix of another; "
            "make cascades of any two of its archs instead (`vitnas cascade` does)"
        )
    chosen, most = tuple(sorted(set(at))), max(int(choice) for choice in depth.choices)
    if not chosen or chosen[0] < 1 or chosen[-1] >= most:
        raise SpaceError(
            f"{where}: exits are at depths from 1 to {most - 1}, below that of its deepest archs; got {list(at)}"
        )
    for kind in kinds:
        if kind not in KINDS:
            raise SpaceError(f"{where}: no exit of kind '{kind}'; {suggest(kind, KINDS)}")
    heads = tuple(kind for kind in KINDS if kind in kinds)
    if not heads:
        raise SpaceError(f"{where}: an exit needs a head; name one of {', '.join(KINDS)}")
    asked = "+".join(map(str, chosen)) + ("" if heads == KINDS else f",{'+'.join(heads)}")
    only = tuple((name, _widened(kept, chosen) if name == DEPTH else kept) for name, kept in base.only)
    source = None if base.source is None else ExitsOfFile(base.source, chosen, heads)
    name, plain = f"{BEGINNING}{asked}:{base.name}", replace(base, only=())
    return Exits(name, base.task, only=only, source=source, base=plain, at=chosen, kinds=heads)


def is_exits_name(name: str) -> bool:
    """Whether a name of a space is that of one with exits."""
    return name.startswith(BEGINNING)


def load_exits(name: str, task: Task | None, load: Callable[[str, Task | None], SearchSpace]) -> Exits:
    """The space of this name; `load` finds its base."""
    asked, colon, base = name.removeprefix(BEGINNING).partition(":")
    at, _, kinds = asked.partition(",")
    numbers = at.split("+")
    if not colon or not base or not all(number.isdecimal() for number in numbers):
        raise UnknownNameError(
            f"'{name}' names no space with exits; write {BEGINNING}DEPTH+...:SPACE, as {BEGINNING}2+4:deit"
        )
    return with_exits(load(base, task), list(map(int, numbers)), kinds.split("+") if kinds else KINDS)


def _widened(kept: tuple[Choice, ...], at: tuple[int, ...]) -> tuple[Choice, ...]:
    return tuple(sorted({*map(int, kept), *at}))
