"""Which space is made of given networks, by what its name begins with."""

from __future__ import annotations

from collections.abc import Sequence

from vitnas.search_spaces.pruned.given import GivenNetwork
from vitnas.search_spaces.pruned.pruned_space import PREFIXES, pruned
from vitnas.search_spaces.space import SearchSpace
from vitnas.search_spaces.stitched.stitched_space import stitched

NETWORKS = {**dict.fromkeys(PREFIXES, 1), "stitch": 2}
"""Of how many networks the spaces are made whose names begin so."""


def space_of_given(prefix: str, networks: Sequence[GivenNetwork]) -> SearchSpace:
    """All that a network becomes, see `PREFIXES`, or all routes through two."""
    if NETWORKS[prefix] == 2:
        first, second = networks
        return stitched(first, second, prefix)
    [network] = networks
    return pruned(network, prefix)
