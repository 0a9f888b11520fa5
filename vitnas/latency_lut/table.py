"""LatencyTable: milliseconds and counts of every layer of a space on one device. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DeviceError
from vitnas.latency_lut.calibration import Calibration, Fidelity
from vitnas.latency_lut.protocol import Timing
from vitnas.search_spaces import Codes, LayerSpec, SearchSpace, Task

LatencyCost = Callable[[Codes], NDArray[np.float64]]
CountCost = Callable[[Codes], NDArray[np.int64]]

COUNTS = ("num_params", "macs", "weight_bytes", "activation_bytes")
"""The counts of a row: sums over a network, but for activation_bytes, whose peak counts."""


@dataclass(frozen=True)
class Row:
    """One layer: its net time, without the overhead of a call, and what it counts on any device."""

    spec: LayerSpec
    timing: Timing
    num_params: int
    macs: int
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class WholeNetwork:
    """A network timed end to end beside the sum of its layers."""

    arch: str
    sum_ms: float
    measured_ms: float
    held_out: bool


@dataclass(frozen=True)
class Header:
    """What the rows of a table have in common.

    Attributes:
        device: the name of the device.
        fingerprint: what it was at the time, see `Device.fingerprint`.
        space: the space whose layers were measured, with its fingerprint and task.
        overhead_ms: a call that computes nothing; it is taken off every row.
        reference_ms: what the reference network took, to compare days and machines.
        calibration: from sums of layers to whole networks.
        fidelity: how well that works on networks it was not fitted to; None when none were left.
        max_mape: the error this table promises to stay under.
        networks: the networks behind calibration and fidelity.
        settings: how it was measured.
        created: date and time, UTC.
        vitnas: the version that wrote it.
    """

    device: str
    fingerprint: dict[str, str | int]
    space: str
    space_fingerprint: str
    task: Task
    overhead_ms: float
    reference_ms: float
    calibration: Calibration
    fidelity: Fidelity | None
    max_mape: float
    networks: tuple[WholeNetwork, ...] = ()
    settings: dict[str, float | int] = field(default_factory=dict)
    created: str = ""
    vitnas: str = ""


@dataclass(frozen=True, eq=False)
class LatencyTable:
    """Costs whole populations of the space it was measured for, and of any space of the same layers."""

    header: Header
    rows: tuple[Row, ...]

    @classmethod
    def read(cls, path: Path) -> LatencyTable:
        from vitnas.latency_lut.parquet import read_table

        return read_table(path)

    def write(self, path: Path) -> None:
        from vitnas.latency_lut.parquet import write_table

        write_table(self, path)

    @property
    def warnings(self) -> list[str]:
        """What a user of these figures must know; empty when the table keeps its promise."""
        fidelity, limit = self.header.fidelity, self.header.max_mape
        if fidelity is None:
            return [
                f"the '{self.header.device}' table was never compared with networks it was not fitted to; "
                "profile a larger space to learn its error"
            ]
        if fidelity.mape > limit:
            return [
                f"the '{self.header.device}' table misses whole networks by {fidelity.mape:.1%} on average, over its "
                f"limit of {limit:.0%}; measure again on an idle machine, or with longer blocks"
            ]
        return []

    @cached_property
    def _by_key(self) -> dict[str, Row]:
        return {row.spec.key: row for row in self.rows}

    def check(self, space: SearchSpace) -> None:
        """Refuses a space that has layers without a row."""
        missing = [spec.key for spec in space.lowering.specs if spec.key not in self._by_key]
        if not missing:
            return
        header = self.header
        if header.task != space.task:
            why = f"it is for {header.task}, the space for {space.task}"
        elif header.space != space.name:
            why = f"it was measured for space '{header.space}'"
        else:
            why = "the space has changed since"
        shown = "; ".join(missing[:3]) + ("; ..." if len(missing) > 3 else "")
        raise DeviceError(
            f"the '{header.device}' table lacks {len(missing)} of the {len(space.lowering.specs)} layers of space "
            f"'{space.name}': {why}. Missing: {shown}. Make a table with "
            f"`vitnas profile --space {space.name} --device {header.device}`"
        )

    def latency_ms(self, space: SearchSpace) -> LatencyCost:
        """Prepares the latency of whole networks, calibration included, for populations of `space`."""
        calibration = self.header.calibration
        total = space.lowering.total(calibration.slope * np.array([r.timing.median_ms for r in self._rows_of(space)]))

        def cost(codes: Codes) -> NDArray[np.float64]:
            return np.asarray(total(codes), dtype=np.float64) + calibration.intercept_ms

        return cost

    def latency_std_ms(self, space: SearchSpace) -> LatencyCost:
        """Prepares the standard deviation of `latency_ms`: the rows' spread and the table's own error."""
        sigma = self.header.calibration.slope / 1.349  # of a normal distribution with this IQR
        variance = space.lowering.total([(sigma * row.timing.iqr_ms) ** 2 for row in self._rows_of(space)])
        mean_ms = self.latency_ms(space)
        fidelity = self.header.fidelity
        relative = (fidelity.mape if fidelity else self.header.max_mape) * math.sqrt(math.pi / 2)

        def cost(codes: Codes) -> NDArray[np.float64]:
            return np.sqrt(np.asarray(variance(codes), dtype=np.float64) + (relative * mean_ms(codes)) ** 2)

        return cost

    def counts(self, space: SearchSpace) -> Mapping[str, CountCost]:
        """Prepares each of `COUNTS` for populations of `space`."""
        rows = self._rows_of(space)

        def prepare(name: str) -> CountCost:
            values = np.array([getattr(row, name) for row in rows], dtype=np.int64)
            lowering = space.lowering
            cost = lowering.peak(values) if name == "activation_bytes" else lowering.total(values)
            return lambda codes: cost(codes).astype(np.int64, copy=False)

        return {name: prepare(name) for name in COUNTS}

    def _rows_of(self, space: SearchSpace) -> list[Row]:
        self.check(space)
        return [self._by_key[spec.key] for spec in space.lowering.specs]
