"""Counting archs: parameters, MACs and memory."""

from __future__ import annotations

from pathlib import Path
from typing import overload

from vitnas.api.archs import Archs, OneArch, named_archs
from vitnas.api.loading import load_space
from vitnas.reporting.counted import CountedArch, count_archs
from vitnas.reporting.per_arch import ArchTable
from vitnas.search_spaces import SearchSpace


@overload
def count(space: SearchSpace | str | Path, archs: OneArch, *, seed: int = 0) -> CountedArch: ...


@overload
def count(space: SearchSpace | str | Path, archs: Archs, *, seed: int = 0) -> ArchTable[CountedArch]: ...


def count(
    space: SearchSpace | str | Path, archs: OneArch | Archs, *, seed: int = 0
) -> CountedArch | ArchTable[CountedArch]:
    """Counts parameters, MACs and memory, exactly and layer by layer.

    Args:
        space: of the archs, or its name or file.
        archs: one arch, which gives one result, or several, which give a table: a list, a front, or a number of
            random ones.
        seed: of random archs.
    """
    loaded = load_space(space)
    found = count_archs(loaded, named_archs(loaded, archs, seed))
    return found[0] if isinstance(archs, OneArch) else ArchTable.of(found)
