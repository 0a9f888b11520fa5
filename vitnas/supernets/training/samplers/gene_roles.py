"""What genes do to a network, read off the networks themselves, so that samplers know it of any space."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from vitnas.search_spaces import OFF, Blueprint, Gene, LayerSpec, SearchSpace

Role = Literal["depth", "size", "width", "inner"]
"""How many layers there are; how large their maps or how many their tokens; how many channels lie between
them; or something within a layer, such as hidden units, heads or kernels."""


def gene_roles(space: SearchSpace) -> dict[str, Role]:
    """The role of every gene that is on in the smallest or the largest arch and changes it when it alone is changed."""
    found: dict[str, Role] = {}
    codes = space.encode([space.smallest(), space.largest()])
    for gene in space.all_genes:
        columns = np.array([column.gene == gene.name for column in space.columns])
        for row, code in zip(codes, (len(gene.choices) - 1, 0), strict=True):
            changed = space.genome.repair(np.where(columns & (row != OFF), code, row).astype(np.int16)[None])[0]
            role = _role(space.lowering.blueprint(row), space.lowering.blueprint(changed))
            if role is not None:
                found.setdefault(gene.name, role)
    return found


def is_numeric(gene: Gene) -> bool:
    """Whether its choices are amounts, of which one can be more than another."""
    return not any(isinstance(choice, (str, bool)) for choice in gene.choices)


def _role(one: Blueprint, other: Blueprint) -> Role | None:
    if one.layers == other.layers:
        return None
    if len(one) != len(other):
        return "depth" if {*map(_shape, one)} == {*map(_shape, other)} else "width"
    shapes = [(_shape(a), _shape(b)) for a, b in zip(one, other, strict=True)]
    if one.in_shape != other.in_shape or any(a[1] != b[1] for a, b in shapes):
        return "size"
    return "width" if any(a != b for a, b in shapes) else "inner"


def _shape(spec: LayerSpec) -> tuple[int, int]:
    """Channels and positions of what a layer gives: maps are (channels, height, width), tokens (number, channels)."""
    channels = spec.out_shape[0 if len(spec.out_shape) == 3 else -1]
    return channels, math.prod(spec.out_shape) // channels
