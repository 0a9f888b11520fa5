"""Target: a device that a search is for, by its table and, where the device is here, by its clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DeviceError
from vitnas.latency_lut.devices import Device
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.refit import learn, time_again
from vitnas.latency_lut.sitting import Sitting
from vitnas.latency_lut.table import LatencyCost, LatencyTable
from vitnas.nas.pareto.point import Provenance
from vitnas.search_spaces import Arch, Codes, SearchSpace

Floats = NDArray[np.float64]


class Target:
    """What a device makes of archs; what is measured while a search runs changes what the table says next.

    Attributes:
        name: of the device.
        table: as it was read.
        device: that can be measured on, or None.
        sitting: when the table was measured; None where nothing tells how fast the machine was.
    """

    def __init__(self, space: SearchSpace, table: LatencyTable, device: Device | None = None) -> None:
        table.check(space)
        self.name = table.header.device
        self.table = table
        self.device = device
        self.sitting = Sitting.of_table(space, table)
        self._space = space
        self._timed: dict[Arch, Timing] = {}
        self._use(table)

    def latency_ms(self, codes: Codes) -> Floats:
        return self._latency_ms(codes)

    def latency_std_ms(self, codes: Codes) -> Floats:
        return self._latency_std_ms(codes)

    @property
    def has_energy(self) -> bool:
        return any(row.timing.energy_mj is not None for row in self.table.rows)

    def energy_mj(self, codes: Codes) -> Floats:
        """Millijoules of one call: what every layer draws while it runs, those not measured as the others on average."""
        return self._watts(codes) * self.latency_ms(codes)

    @property
    def provenance(self) -> Provenance:
        """Where a latency comes from that was not measured end to end."""
        return "estimated" if set(self.table.provenances) == {"estimated"} else "table"

    @property
    def between(self) -> float:
        """Relative standard deviation of its latencies between sittings; 0 where a stated error holds that already."""
        return self.sitting.between if self.sitting is not None else 0.0

    @property
    def shared(self) -> float:
        """The part of it that all its latencies have in common."""
        return self.sitting.shared if self.sitting is not None else 0.0

    def time(self, archs: Sequence[Arch]) -> Iterator[Timing]:
        """Measures archs end to end, by the protocol of the table, as fast as the machine is now."""
        if self.device is None:
            raise DeviceError(
                f"device '{self.name}' is not here, so nothing can be measured on it; leave out measuring"
            )
        return time_again(self._space, self.table, self.device, [self._space.lower(arch) for arch in archs])

    def at_table_speed(self, timing: Timing) -> Timing:
        """A timing as it would have been when the table was measured."""
        return self.sitting.at_its_speed(timing) if self.sitting is not None else timing

    def told_by_table(self, archs: Sequence[Arch]) -> tuple[Floats, Floats]:
        """Latencies and their standard deviations as the table was read, whatever it has learned since."""
        codes = self._space.encode(list(archs))
        return self.table.latency_ms(self._space)(codes), self.table.latency_std_ms(self._space)(codes)

    def learn(self, timed: Mapping[Arch, Timing]) -> None:
        """Predicts from now on with all these timings, at the speed of the table, in mind."""
        if timed.keys() != self._timed.keys():
            self._timed = dict(timed)
            self._use(learn(self._space, self.table, list(timed), list(timed.values())))

    def _use(self, table: LatencyTable) -> None:
        self._latency_ms = table.latency_ms(self._space)
        self._latency_std_ms = table.latency_std_ms(self._space)
        if self.has_energy:
            self._watts = _mean_watts(self._space, table)


def _mean_watts(space: SearchSpace, table: LatencyTable) -> LatencyCost:
    """The mean power over a network, its layers weighing by their time."""
    rows = table.rows_of(space)
    overhead_ms = table.header.overhead_ms
    known = [r.timing.energy_mj / (r.timing.median_ms + overhead_ms) if r.timing.energy_mj else np.nan for r in rows]
    watts = np.array(known, dtype=np.float64)
    watts = np.where(np.isfinite(watts), watts, np.nanmean(watts))
    times_ms = np.array([row.timing.median_ms for row in rows])
    energy, time = space.lowering.total(watts * times_ms), space.lowering.total(times_ms)

    def mean(codes: Codes) -> Floats:
        found: Floats = np.asarray(energy(codes), dtype=np.float64) / np.maximum(time(codes), 1e-12)
        return found

    return mean
