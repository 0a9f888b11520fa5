"""Stitched: the space of all routes through two given networks that cross from one to the other and perhaps back (SN-Net V2)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from vitnas.errors import SpaceError
from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.pruned.given import GivenNetwork
from vitnas.search_spaces.space import SearchSpace
from vitnas.search_spaces.stitched.trunk import Layers, Trunk

MOST_CROSSINGS = 2
"""A route begins in either network, crosses over, and may cross back."""
RANK = 64
"""Of what a stitch learns; less where a network has fewer than four times as many channels."""


@dataclass(frozen=True)
class Route:
    """Which of two networks computes each stretch between two levels at which tokens may cross over.

    Attributes:
        first: the network that it begins in, 0 or 1.
        crossings: the levels at which it crosses over, in order.
    """

    first: int
    crossings: tuple[int, ...]

    def network(self, stretch: int) -> int:
        """The network that computes a stretch; it lies before the level of the same number."""
        return (self.first + sum(level < stretch for level in self.crossings)) % 2


@dataclass(frozen=True, eq=False)
class Stitched(SearchSpace):
    """Routes through two plain transformers A and B, the one gene that there is.

    The one with fewer blocks has a level after every block but the last, and the other one as many at the same shares of its depth.
    Tokens may cross over at every level, through a `stitch` that all routes share. The route ``A3-B8-A`` takes the
    first 3 blocks of A, goes on in B up to its 8th block, and ends in A. The smallest arch is A, the largest B.

    Attributes:
        given: A and B, the narrower first.
    """

    given: tuple[GivenNetwork, GivenNetwork] = field(kw_only=True)

    @cached_property
    def trunks(self) -> tuple[Trunk, Trunk]:
        """The two networks."""
        first, second = (Trunk.of(one.name, one.blueprint(self.task)) for one in self.given)
        if first.tokens[0] != second.tokens[0]:
            raise SpaceError(
                f"space '{self.name}': the networks have {first.tokens[0]} and {second.tokens[0]} tokens, so no layer of one can "
                "go on where the other stopped; name two with patches of one size, and the same class tokens and registers"
            )
        if (first.tokens[1], len(first.blocks)) > (second.tokens[1], len(second.blocks)):
            raise SpaceError(
                f"space '{self.name}': the first network is {first.tokens[1]} wide and {len(first.blocks)} blocks deep, the second "
                f"{second.tokens[1]} and {len(second.blocks)}; name the smaller one first"
            )
        return first, second

    @cached_property
    def num_stretches(self) -> int:
        """Parts that both networks are cut into, one more than there are levels."""
        return min(len(trunk.blocks) for trunk in self.trunks)

    def stretch(self, network: int, number: int) -> Layers:
        """The layers of a network, 0 or 1, in a stretch; the first includes its stem, the last its head."""
        trunk, last = self.trunks[network], self.num_stretches
        blocks = trunk.blocks[self.depth_at(network, number - 1) : self.depth_at(network, number)]
        found = itertools.chain(trunk.stem if number == 1 else (), *blocks, trunk.head if number == last else ())
        return tuple((site_in(network, site), spec) for site, spec in found)

    def depth_at(self, network: int, level: int) -> int:
        """How many blocks of a network lie before a level."""
        return level * len(self.trunks[network].blocks) // self.num_stretches

    def stitch(self, network: int) -> LayerSpec:
        """What carries tokens into a network, 0 or 1."""
        into, out_of = self.trunks[network].tokens, self.trunks[1 - network].tokens
        return LayerSpec.of("stitch", out_of, into, rank=max(1, min(RANK, into[1] // 4, out_of[1] // 4)))

    @cached_property
    def routes(self) -> Mapping[str, Route]:
        """Every route by its name, those that stay longer in B last."""
        last = self.num_stretches
        each = [
            Route(first, crossings)
            for number in range(MOST_CROSSINGS + 1)
            for crossings in itertools.combinations(range(1, last), number)
            for first in (0, 1)
        ]
        each.sort(key=lambda route: sum(route.network(m) for m in range(1, last + 1)))
        return {self._name_of(route): route for route in each}

    def whole(self, network: int) -> Arch:
        """The route that is one of the given networks, 0 or 1, and nothing else."""
        return self.arch(route=self._name_of(Route(network, ())))

    def genes(self) -> Sequence[Gene]:
        return [Gene("route", tuple(self.routes))]

    def sites(self) -> Sequence[Site]:
        return list(self._sites())

    def _sites(self) -> Iterator[Site]:
        """Level by level, so that routes from A to B and those from B to A have one order."""
        for number in range(1, self.num_stretches + 1):
            for network in (0, 1):
                for site, spec in self.stretch(network, number):
                    yield Site(site, ("route",), partial(self._layer, spec, network, number))
            for network in (0, 1) if number < self.num_stretches else ():
                yield Site(stitch_into(network, number), ("route",), partial(self._stitch, network, number))

    def _layer(self, spec: LayerSpec, network: int, stretch: int, route: str) -> LayerSpec | None:
        return spec if self.routes[route].network(stretch) == network else None

    def _stitch(self, network: int, level: int, route: str) -> LayerSpec | None:
        taken = self.routes[route]
        crosses = level in taken.crossings and taken.network(level + 1) == network
        return self.stitch(network) if crosses else None

    def _name_of(self, route: Route) -> str:
        ends = [(route.network(level), level) for level in route.crossings]
        parts = [f"{'AB'[network]}{self.depth_at(network, level)}" for network, level in ends]
        return "-".join([*parts, "AB"[route.network(self.num_stretches)]])


def stitched(first: GivenNetwork, second: GivenNetwork, prefix: str = "stitch") -> Stitched:
    """The space of two given networks, for the task that the first was made for."""
    return Stitched(f"{prefix}:{first.name}+{second.name}", first.task, given=(first, second))


def site_in(network: int, site: str) -> str:
    """The name of a layer of one of the networks, 0 or 1, in the space of both."""
    return f"{'ab'[network]}_{site}"


def stitch_into(network: int, level: int) -> str:
    """The site where tokens cross over into a network, 0 or 1, at a level."""
    return f"into_{'ab'[network]}{level}"
