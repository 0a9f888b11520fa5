"""Pruned: the space of all that a given network becomes when heads, channels and layers of it are removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from vitnas.errors import SpaceError
from vitnas.search_spaces.blueprint import Blueprint, LayerSpec, Scalar
from vitnas.search_spaces.gene import Choice, Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.pruned.given import GivenNetwork
from vitnas.search_spaces.pruned.low_rank import low_rank
from vitnas.search_spaces.pruned.prunable import TOKEN_STREAM, can_be_left_out, shrinking, steps
from vitnas.search_spaces.space import SearchSpace

MOST_SIZES: Mapping[str, int] = {"key_width": 4, "value_width": 4}
"""How many sizes an attribute has, where it is not eight."""

MAP = "residual_map"
"""The kind of layer that stands in for one that is left out."""

PREFIXES: Mapping[str, Mapping[str, Any]] = {
    "prune": {},
    "prune+map": {"with_maps": True},
    "prune+rank": {"low_rank": True},
    "prune+width": {"slim_stream": True},
}
"""What the names of such spaces begin with, and what it says of them."""

WIDTHS = 8
"""How many eighths of the width a stream may keep; fewer than half are left out."""


@dataclass(frozen=True, eq=False)
class Pruned(SearchSpace):
    """One site a layer of the given network, with a gene for everything that may shrink there, named SITE.ATTRIBUTE.

    A layer that can be left out and has nothing that shrinks has the gene SITE.kept. The first gene of a layer that can be
    left out has the choice 0, or False, for that; the largest arch is the given network. A plain softmax attention becomes a
    `slim_attention`, which answers the same and has widths of its own for queries with keys, and for values.

    With maps, a layer that is left out may have an affine map in its place: a site SITE_map of its own, with a gene SITE.map that
    exists only where the layer does not.

    Attributes:
        given: the network.
        slim_stream: one more gene, the width of all tokens; only where all layers are on tokens of one width.
        low_rank: the ranks of attention and FFN of plain transformers shrink, instead of their heads and channels.
        with_maps: a layer that is left out may have an affine map in its place.
    """

    given: GivenNetwork = field(kw_only=True)
    slim_stream: bool = field(default=False, kw_only=True)
    low_rank: bool = field(default=False, kw_only=True)
    with_maps: bool = field(default=False, kw_only=True)

    @cached_property
    def whole(self) -> Blueprint:
        """The layers of the given network, in the kinds that shrink."""
        blueprint = self.given.blueprint(self.task)
        found = Blueprint(blueprint.sites, tuple(map(low_rank if self.low_rank else slimmable, blueprint)))
        if self.low_rank and not any("rank" in shrinking(spec) for spec in found):
            kinds = ", ".join(sorted({spec.kind for spec in blueprint}))
            raise SpaceError(
                f"space '{self.name}': none of its layers has a form of low rank, as attention and FFN of plain transformers "
                f"have; its kinds are {kinds}: prune heads, channels and layers instead"
            )
        return found

    def genes(self) -> Sequence[Gene]:
        stream = [Gene("width", tuple(w for w in steps(self._width, WIDTHS, 8) if 2 * w >= self._width))]
        own = [
            gene for site, spec in self.whole.items() for gene in (*_genes(site, spec), *self._map_genes(site, spec))
        ]
        return [*stream, *own] if self.slim_stream else own

    def sites(self) -> Sequence[Site]:
        return [place for site, spec in self.whole.items() for place in self._places(site, spec)]

    def _places(self, site: str, spec: LayerSpec) -> Iterator[Site]:
        stream = ("width",) * self.slim_stream
        yield Site(site, (*stream, *(gene.name for gene in _genes(site, spec))), partial(self._layer, site, spec))
        for gene in self._map_genes(site, spec):
            yield Site(map_site(site), (*stream, gene.name), partial(self._map, spec))

    def _map_genes(self, site: str, spec: LayerSpec) -> Iterator[Gene]:
        """The gene of the map in place of a layer, on where the layer is left out."""
        if self.with_maps and can_be_left_out(spec) and spec.kind != MAP:
            first = next(_genes(site, spec))
            yield Gene(f"{site}.map", (False, True), when=(first.name, first.choices[:1]))

    def _map(self, spec: LayerSpec, *choices: Choice) -> LayerSpec | None:
        if self.slim_stream:
            spec, choices = _narrowed(spec, int(choices[0])), choices[1:]
        return LayerSpec.of(MAP, spec.in_shape, spec.out_shape) if choices[0] else None

    def _layer(self, site: str, spec: LayerSpec, *choices: Choice) -> LayerSpec | None:
        if self.slim_stream:
            spec, choices = _narrowed(spec, int(choices[0])), choices[1:]
        if can_be_left_out(spec) and not choices[0]:
            return None
        values: dict[str, Scalar] = dict(spec.attrs)
        return LayerSpec.of(
            spec.kind, spec.in_shape, spec.out_shape, **values | dict(zip(shrinking(spec), choices, strict=False))
        )

    @cached_property
    def _width(self) -> int:
        if not self.slim_stream:
            return 1
        odd = next((spec for spec in self.whole if spec.kind not in TOKEN_STREAM), None)
        if odd is not None:
            raise SpaceError(
                f"space '{self.name}': the stream cannot be slimmed, as a layer '{odd.kind}' may hold its width in more places; "
                f"that is for networks of {', '.join(sorted(TOKEN_STREAM))}: prune heads, channels and layers instead"
            )
        return self.whole.layers[0].out_shape[-1]


def pruned(given: GivenNetwork, prefix: str = "prune") -> Pruned:
    """The space of a given network, one of `PREFIXES`, for the task that it was made for."""
    return Pruned(f"{prefix}:{given.name}", given.task, given=given, **PREFIXES[prefix])


def map_site(site: str) -> str:
    """The site of the map that may stand in for the layer at a site."""
    return f"{site}_map"


def slimmable(spec: LayerSpec) -> LayerSpec:
    """The same layer in the kind that has most to remove."""
    if spec.kind != "attention" or spec["reach"]:
        return spec
    full = spec["head_width"]
    widths = {"head_width": full, "key_width": full, "value_width": full}
    return LayerSpec.of("slim_attention", spec.in_shape, spec.out_shape, heads=spec["heads"], **widths)


def _genes(site: str, spec: LayerSpec) -> Iterator[Gene]:
    """What may be chosen for one layer; genes after the first exist only where the layer does."""
    optional, names = can_be_left_out(spec), shrinking(spec)
    if optional and not names:
        yield Gene(f"{site}.kept", (False, True))
    first: Gene | None = None
    for name in names:
        sizes = steps(spec[name], MOST_SIZES.get(name, 8), 1 if name == "heads" else 8)
        gene = Gene(f"{site}.{name}", sizes if first is not None or not optional else (0, *sizes))
        if first is not None and optional:
            gene = replace(gene, when=(first.name, first.choices[1:]))
        first = first or gene
        yield gene


def _narrowed(spec: LayerSpec, width: int) -> LayerSpec:
    """The same layer with another width of tokens."""

    def shape(own: tuple[int, ...]) -> tuple[int, ...]:
        return (own[0], width) if len(own) == 2 else own

    return replace(spec, in_shape=shape(spec.in_shape), out_shape=shape(spec.out_shape))
