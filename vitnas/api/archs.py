"""Which archs are meant: one, several, a front, or so many drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from vitnas.api.loading import load_arch
from vitnas.errors import SettingsError
from vitnas.search_spaces import Arch, SearchSpace

if TYPE_CHECKING:
    from vitnas.nas.pareto.front import ParetoFront

OneArch = Arch | str | Path
"""An arch, its file, its published name, "smallest" or "largest"."""

Archs: TypeAlias = "Sequence[Arch | Path] | list[str] | tuple[str, ...] | ParetoFront | int"
"""Several of them, the archs of a front, or a number of random ones."""


def named_archs(space: SearchSpace, archs: OneArch | Archs, seed: int = 0) -> dict[str, Arch]:
    """The archs by what tables call them.

    Args:
        space: to which they must belong.
        archs: one, several, all of a front, or a number of random ones.
        seed: of the random ones.
    """
    from vitnas.nas.pareto.front import ParetoFront

    if isinstance(archs, ParetoFront):
        return {str(i): space.check(point.arch) for i, point in enumerate(archs.points)}
    if isinstance(archs, int):
        if archs < 1:
            raise SettingsError(f"archs = {archs}: draw at least 1")
        return {str(i): arch for i, arch in enumerate(space.sample(archs, np.random.default_rng(seed)))}
    if isinstance(archs, OneArch):
        return {_name(archs): load_arch(space, archs)}
    each: Sequence[OneArch] = archs
    if not each:
        raise SettingsError("there is no arch in the list; give at least one")
    found = {_name(arch): load_arch(space, arch) for arch in each}
    if len(found) < len(each):  # files of one name in several folders
        found = {str(i): load_arch(space, arch) for i, arch in enumerate(each)}
    return found


def _name(arch: OneArch) -> str:
    if isinstance(arch, Arch):
        return arch.id
    path = Path(arch)
    return path.stem if path.suffix == ".json" else str(arch)
