"""Prefixes: the archs of a space that begin as a deeper one does, and end before it."""

from __future__ import annotations

from vitnas.errors import InvalidArchError
from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.cascades.exits import DEPTH, GENE, Exits
from vitnas.search_spaces.cascades.parts import num_common
from vitnas.search_spaces.space import SearchSpace


def prefixes(space: SearchSpace, arch: Arch) -> list[Arch]:
    """The shallower archs of the space that begin as this one does and have a head of their own; none where depth is no gene."""
    values = dict(arch.genes)
    genes = {gene.name: gene for gene in space.all_genes}
    if DEPTH not in genes or type(values.get(DEPTH)) is not int:
        return []
    heads = genes[GENE].choices if isinstance(space, Exits) and GENE in genes else ()
    found = []
    for depth in (int(choice) for choice in genes[DEPTH].choices if int(choice) < int(values[DEPTH])):  # type: ignore[arg-type]
        kept = {
            name: value[:depth] if isinstance(value, tuple) and genes[name].per == DEPTH else value
            for name, value in values.items()
            if name != GENE
        } | {DEPTH: depth}
        for own in [{GENE: head} for head in heads] if isinstance(space, Exits) and depth in space.at else [{}]:
            try:
                shallow = space.arch(**kept, **own)
            except InvalidArchError:  # another gene hangs on the depth
                continue
            if num_common(space.lower(shallow), space.lower(arch)) == len(space.lower(shallow)) - 1:
                found.append(shallow)
    return found
