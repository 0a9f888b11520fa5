"""Covering: a few archs of a space that together have every kind of layer at every site."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

import numpy as np

from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.gene import OFF
from vitnas.search_spaces.genome import Codes
from vitnas.search_spaces.space import SearchSpace

SiteKind = tuple[str, str]
"""A site, and the kind of a layer that may stand there."""


def layers_of(space: SearchSpace, without: Container[str] = ()) -> set[SiteKind]:
    """Every kind of layer that may stand at each site, some kinds left out."""
    layers = space.lowering.specs_at().items()
    return {(site, spec.kind) for site, specs in layers for spec in specs if spec.kind not in without}


def layers_in(space: SearchSpace, arch: Arch) -> set[SiteKind]:
    """Those of one arch."""
    return {(site, spec.kind) for site, spec in space.lower(arch).items()}


def covering(space: SearchSpace, wanted: set[SiteKind], seed: int = 0) -> Iterator[Arch]:
    """Archs, each of which has as many as it can of those layers that none before it had; all else in them is drawn.

    Args:
        space: of the archs.
        wanted: layers, of `layers_of`.
        seed: of what is drawn.
    """
    rng = np.random.default_rng(seed)
    places = _places(space, wanted)
    left = dict.fromkeys(sorted(wanted))
    while left:
        first = next(iter(left))
        settled: Settled = {}
        for layer in left:
            settled = _with(space, settled, *places[layer])
        row = space.genome.sample(1, rng)
        row[0, list(settled)] = list(settled.values())
        [arch] = space.decode(space.genome.repair(row, rng))  # all else follows what is settled
        found = layers_in(space, arch)
        if found & left.keys():
            yield arch
        left = {layer: None for layer in left if layer not in found and layer != first}


Settled = dict[int, int]
"""Codes of some columns, and of all that these hang on."""


def _places(space: SearchSpace, wanted: set[SiteKind]) -> Mapping[SiteKind, tuple[tuple[int, ...], Codes]]:
    """For each layer the columns that its site reads, and rows of their codes at which it stands there."""
    numbers: dict[str, list[int]] = {}
    for number, spec in enumerate(space.lowering.specs):
        numbers.setdefault(spec.kind, []).append(number)
    found = {}
    for site, scope, table in space.lowering.tables:
        sizes = [len(space.columns[i].choices) for i in scope]
        for kind, own in numbers.items():
            if (site.name, kind) in wanted:
                codes = np.argwhere(np.isin(table, own))
                found[site.name, kind] = scope, np.where(codes == sizes, OFF, codes).astype(np.int16)
    return found


def _with(space: SearchSpace, settled: Settled, scope: tuple[int, ...], places: Codes) -> Settled:
    """The same with one layer more, if that is possible at one of its places."""
    fits = np.all([(places[:, axis] == settled[i]) for axis, i in enumerate(scope) if i in settled], axis=0)
    for codes in places[np.broadcast_to(fits, len(places))][::-1].tolist():
        found = _settled(space, {**settled, **dict(zip(scope, codes, strict=True))})
        if found is not None:
            return found
    return settled


def _settled(space: SearchSpace, codes: Settled) -> Settled | None:
    """The same with what the columns hang on, the most of it that they allow; None where they contradict one another."""
    codes = dict(codes)
    for i in range(len(space.columns) - 1, -1, -1):
        column = space.columns[i]
        if i not in codes or column.parent is None:
            continue
        above = [
            OFF if state == len(column.allowed) - 1 else int(state)
            for state in np.flatnonzero(column.allowed[:, codes[i]])
        ]
        if column.parent not in codes and above:
            codes[column.parent] = max(above)
        if codes.get(column.parent) not in above:
            return None
    return codes
