"""ForeignTable: timings that somebody else took, and how they become a table of a space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from vitnas.errors import DeviceError, suggest
from vitnas.latency_lut.assemble import OVERHEAD, Origin, assemble
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.timing_journal import blueprint_key
from vitnas.search_spaces import Arch, SearchSpace


@dataclass(frozen=True)
class ForeignTable:
    """What a file says, before it is known whether it fits a space.

    Attributes:
        where: the file.
        rows: timings by the name that the file gives a layer; of layers of vitnas `LayerSpec.key`, and the
            empty name for a call that computes nothing.
        networks: whole networks.
    """

    where: str
    rows: Mapping[str, Timing]
    networks: tuple[tuple[Arch, Timing], ...] = ()


def import_table(space: SearchSpace, origin: Origin, foreign: ForeignTable) -> LatencyTable:
    """The latency table of a space from timings taken elsewhere.

    Layers that the file lacks are interpolated. Of the networks, ordered by latency, every second one is held out.
    """
    known = {spec.key for spec in space.lowering.specs} | {OVERHEAD}
    unknown = [name for name in foreign.rows if name not in known]
    if unknown:
        near = suggest(unknown[0], sorted(known)).partition(". ")[2] or f"its layers are named as '{max(known)}'"
        raise DeviceError(
            f"{foreign.where}: {len(unknown)} of {len(foreign.rows)} rows are no layers of space '{space.name}', such as "
            f"'{unknown[0]}'. {near} Take the table of this space and task, or write its rows for it"
        )
    found = dict(foreign.rows)
    ordered = sorted(foreign.networks, key=lambda pair: pair[1].median_ms)
    for arch, timing in ordered:
        found[blueprint_key(space.lower(space.check(arch)))] = timing
    networks = [(space.check(arch), i % 2 == 1) for i, (arch, _) in enumerate(ordered)]
    return assemble(space, origin, found, networks)


def milliseconds(where: str, name: str, value: float) -> float:
    """The value, if it can be a time."""
    if not math.isfinite(value) or value < 0:
        raise DeviceError(f"{where}: {name} must be finite and not negative, got {value:g}; correct the file")
    return value
