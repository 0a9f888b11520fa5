"""DeepMAD's mathematical programme: the arch of most entropy within limits of parameters, MACs, effectiveness and depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.predictors.proxies.deepmad import effective_entropy, effectiveness, entropy, rho_bound
from vitnas.search_spaces import Arch, Codes, SearchSpace
from vitnas.supernets.counting.population import PopulationCounter

EXACT_UP_TO = 20_000


@dataclass(frozen=True)
class NetworkBudget:
    """What a network may not exceed; none where left out, but for rho, which then is the family's published bound."""

    num_params: float = float("inf")
    macs: float = float("inf")
    depth: float = float("inf")
    rho: float | None = None


@dataclass(frozen=True)
class Solution:
    """The best arch found.

    Attributes:
        arch: within all limits.
        entropy: of its blueprint.
        rho: its depth over its width.
        exact: whether every arch of the space was looked at, so that none is better.
        num_scored: how many archs were looked at.
    """

    arch: Arch
    entropy: float
    rho: float
    exact: bool
    num_scored: int


def maximise_entropy(
    space: SearchSpace,
    limits: NetworkBudget = NetworkBudget(),
    rng: np.random.Generator | None = None,
    starts: int = 4,
    pairs: int = 300,
) -> Solution:
    """Looks at all archs of a small space; climbs in a large one, by one choice and, where that ends, by two.

    Args:
        space: `deepmad-resnet`, `deepmad-mobile`, or one of the same kinds of layers.
        limits: of the solution.
        rng: draws all starts but the first, which is the smallest arch, and the pairs of choices.
        starts: how many climbs in a large space.
        pairs: how many changes of two choices are tried before a climb ends.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    programme = _Programme(space, limits)
    exact = space.genome.size() <= EXACT_UP_TO
    if exact:
        codes = space.genome.enumerate()
        best = codes[int(np.argmax(programme(codes)))]
    else:
        begin = [space.encode([space.smallest()])[0], *space.genome.sample(starts - 1, rng)]
        ends = np.array([_climb(space, programme, row, rng, pairs) for row in begin])
        best = ends[int(np.argmax(programme(ends)))]
    arch = space.decode(best[None])[0]
    if programme(best[None])[0] <= 0:
        raise SearchError(
            f"no arch of '{space.name}' {'is' if exact else 'was found'} within {limits}; the nearest is {arch}; widen the limits"
        )
    blueprint = space.lower(arch)
    return Solution(arch, entropy(blueprint), effectiveness(blueprint), exact, programme.num_scored)


def _climb(
    space: SearchSpace, programme: _Programme, row: NDArray[np.int16], rng: np.random.Generator, pairs: int
) -> NDArray[np.int16]:
    here = float(programme(row[None])[0])
    while True:
        near = space.genome.neighbours(row)
        values = programme(near)
        if not len(near) or values.max() <= here:
            # A change of two choices, such as one up and one down, may pass where limits bind.
            near = space.genome.mutate(np.repeat(row[None], pairs, axis=0), rng, 1.5 / len(row))
            values = programme(near)
            if values.max() <= here:
                return row
        row, here = near[int(values.argmax())], float(values.max())


class _Programme:
    """The value of codes: the entropy within the limits, below zero outside, the less the further."""

    def __init__(self, space: SearchSpace, limits: NetworkBudget) -> None:
        self.space, self.limits = space, limits
        self._count = PopulationCounter(space)
        self._known: dict[bytes, float] = {}

    @property
    def num_scored(self) -> int:
        return len(self._known)

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        counts = self._count(codes)
        over = np.maximum(counts.num_params / self.limits.num_params - 1, 0.0)
        over += np.maximum(counts.macs / self.limits.macs - 1, 0.0)
        return np.array([self._value(row, float(o)) for row, o in zip(codes, over, strict=True)])

    def _value(self, row: NDArray[np.int16], over: float) -> float:
        key = row.tobytes()
        if key not in self._known:
            blueprint = self.space.lower(self.space.decode(row[None])[0])
            bound = self.limits.rho or rho_bound(blueprint)
            over += max(len(blueprint) / self.limits.depth - 1, 0.0) + max(effectiveness(blueprint) / bound - 1, 0.0)
            self._known[key] = -over if over > 0 else effective_entropy(blueprint, bound)
        return self._known[key]
