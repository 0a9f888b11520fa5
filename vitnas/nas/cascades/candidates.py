"""Which archs may be cascades together: those that are prefixes of a deeper one, and any two."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from vitnas.search_spaces import Arch
from vitnas.search_spaces.cascades.exits import DEPTH

Group = tuple[Arch, ...]


def groups(
    deep: Sequence[Arch], shallow: Mapping[Arch, Sequence[Arch]], most: int, cost: Mapping[Arch, float]
) -> Iterator[Group]:
    """Archs in order of cost that may be a cascade, each group once.

    Args:
        deep: archs of a front.
        shallow: the prefixes of each.
        most: archs of a cascade.
        cost: of each arch by itself.
    """
    seen: set[Group] = set()
    for arch in deep:
        for count in range(1, most):
            for before in itertools.combinations(sorted(shallow[arch], key=cost.__getitem__), count):
                depths = [one[DEPTH] for one in before]
                if len(set(depths)) == count:
                    seen.add((*before, arch))
    everything = sorted({*deep, *itertools.chain(*shallow.values())}, key=cost.__getitem__)
    for little, big in itertools.combinations(everything, 2):
        if big in deep:
            seen.add((little, big))
    yield from sorted(seen, key=lambda group: [arch.id for arch in group])
