"""Uniform scaling: the line from the smallest arch of a space to its largest, on which all genes grow together."""

from __future__ import annotations

import numpy as np

from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.genome import distinct
from vitnas.search_spaces.space import SearchSpace

STEPS = 64
"""Points of the line, of which neighbours may be one arch."""


def uniform_line(space: SearchSpace) -> list[Arch]:
    """From the smallest arch to the largest, all genes in step; each arch once."""
    top = np.array([len(column.choices) - 1 for column in space.columns])
    rows = np.rint(np.linspace(0.0, 1.0, STEPS)[:, None] * top).astype(np.int16)
    return space.decode(distinct(space.genome.repair(rows)))
