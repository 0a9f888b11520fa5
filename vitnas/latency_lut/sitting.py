"""A sitting: when figures were measured, and how fast the machine was then, so that figures of another time compare.

Other work, other guests of the host and the clock of a processor move every latency from one hour to the next. A
network that was timed beside the figures then, and is timed beside a network now, tells by how much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.rows import ReferenceNetwork, WholeNetwork
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import Arch, Blueprint, Compressed, SearchSpace, as_named

BETWEEN = 0.035
"""Relative standard deviation of a network's latency between sittings once they are brought to one speed by a reference
of its size: that of the space that scatters more, `between_sittings.autoformer-mini` in
benchmarks/results/lut_fidelity.json. Measured on ONNX Runtime with one thread; for other devices a stand-in."""
BETWEEN_SMALL = 0.05
"""The same by the small reference network of the device: `between_sittings.autoformer-mini.small_reference`."""
SPECIFIC = 0.024
"""Of both, the part that differs from network to network; the rest is the reference's own, which all networks share: the
share that `between_sittings.specific` has in `between_sittings`, 0.68, of `BETWEEN`."""
BETWEEN_RAW = 0.16
"""Where no reference tells the speed: half the largest difference between two sittings, `between_sittings.worst_raw`, since
raw figures go with whatever else runs and have no spread of their own."""
BUSY = 1.1
"""A machine whose reference takes longer than this times what it took then is busy."""
SURE = 2.0
"""Standard deviations by which two figures must differ before that is called a disagreement."""


@dataclass(frozen=True)
class Sitting:
    """When the figures of a table, or of an export, were measured.

    Attributes:
        took_ms: what the reference took.
        reference: the network that was timed beside; None for the device's own small one.
        fingerprint: of the device then; empty where it is not known.
        created: date and time, UTC.
        of: what was measured: "table" or "export".
    """

    took_ms: float
    reference: Blueprint | None = None
    fingerprint: dict[str, str | int] = field(default_factory=dict)
    created: str = ""
    of: str = "table"

    @classmethod
    def of_table(cls, space: SearchSpace, table: LatencyTable) -> Sitting | None:
        """None where the table has no reference: estimates, and figures of others."""
        header = table.header
        own = space_of(table, space)
        if header.beside is not None and header.beside.took_ms > 0 and own is not None:
            reference = own.lower(arch_of(own, header.beside))
            return cls(header.beside.took_ms, reference, dict(header.fingerprint), header.created)
        if header.reference_ms > 0 and {*table.provenances} != {"estimated"}:
            return cls(header.reference_ms, None, dict(header.fingerprint), header.created)
        return None

    @property
    def between(self) -> float:
        """Relative standard deviation of a figure of this sitting on another day, at the same speed of the machine."""
        return BETWEEN if self.reference is not None else BETWEEN_SMALL

    @property
    def shared(self) -> float:
        """The part of `between` that all networks have in common, so that it says nothing of which is faster."""
        return math.sqrt(self.between**2 - SPECIFIC**2)

    def pace(self, timing: Timing) -> float | None:
        """How many times as long as then the machine takes now; None where the timing has no reference."""
        return timing.reference_ms / self.took_ms if timing.reference_ms > 0 else None

    def at_its_speed(self, timing: Timing) -> Timing:
        """The timing as it would have been in this sitting."""
        pace = self.pace(timing)
        return timing if pace is None else timing.scaled(1 / pace)


@dataclass(frozen=True)
class Reading:
    """A network timed now, beside the reference of a sitting.

    Attributes:
        raw_ms: what it takes now.
        within_ms: standard deviation of that in this sitting alone.
        pace: how many times as long as in the sitting the machine takes now; None where nothing tells.
        between: relative standard deviation between sittings at one speed, or of raw figures where nothing tells.
    """

    raw_ms: float
    within_ms: float
    pace: float | None
    between: float

    @classmethod
    def of(cls, timing: Timing, sitting: Sitting | None) -> Reading:
        pace = sitting.pace(timing) if sitting is not None else None
        between = sitting.between if sitting is not None and pace is not None else BETWEEN_RAW
        return cls(timing.median_ms, timing.std_ms, pace, between)

    @property
    def ms(self) -> float:
        """At the speed of the sitting, or raw where that is not known."""
        return self.raw_ms / (self.pace or 1.0)

    @property
    def std_ms(self) -> float:
        """Standard deviation of `ms` that holds on another day as well."""
        return across_sittings(self.ms, self.within_ms / (self.pace or 1.0), self.between)

    @property
    def busy(self) -> bool | None:
        """Whether the machine is busier than in the sitting; None where nothing tells."""
        return None if self.pace is None else self.pace > BUSY


def across_sittings(ms: float, within_ms: float, between: float) -> float:
    """The standard deviation of a latency on any day, from that within one sitting."""
    return math.hypot(within_ms, between * ms)


def disagree(one_ms: float, one_std_ms: float, other_ms: float, other_std_ms: float) -> bool:
    """Whether two latencies differ by more than their errors allow."""
    return abs(one_ms - other_ms) > SURE * math.hypot(one_std_ms, other_std_ms)


def arch_of(space: SearchSpace, network: WholeNetwork | ReferenceNetwork) -> Arch:
    """The arch of a network that a table has timed."""
    return Arch.from_json({"space": space.name, "genes": network.genes})


def space_of(table: LatencyTable, space: SearchSpace) -> SearchSpace | None:
    """The space that a table was measured for, where that is this one or the same at other precisions; else None."""
    own = as_named(space, table.header.space)
    return own if own.fingerprint == table.header.space_fingerprint else None


def in_space(arch: Arch, space: SearchSpace, own: SearchSpace) -> Arch:
    """The arch of the space of a table that is the same network as one of another space, see `space_of`."""
    if own.name == space.name:
        return arch
    assert isinstance(own, Compressed)
    if not isinstance(space, Compressed):
        return own.compress(arch)
    return own.compress(space.plain(arch), {site: spec.precision for site, spec in space.lower(arch).items()})
