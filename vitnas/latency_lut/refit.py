"""Learning: a table that has seen more whole networks predicts others better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

import numpy as np

from vitnas.latency_lut.assemble import layer_counts, with_error, work_of
from vitnas.latency_lut.calibration import Fidelity
from vitnas.latency_lut.devices import Device
from vitnas.latency_lut.features import Floats
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.residual import Layers, fit_residual
from vitnas.latency_lut.settings import TimingSettings
from vitnas.latency_lut.sitting import Sitting, arch_of, in_space, space_of
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import Arch, Blueprint, SearchSpace


def time_again(
    space: SearchSpace, table: LatencyTable, device: Device, blueprints: Sequence[Blueprint]
) -> Iterator[Timing]:
    """Times networks by the protocol of a table and beside its reference, as the machine is now.

    `Sitting.at_its_speed` makes of such a timing what it would have been when the table was measured.
    """
    kept = {f.name for f in fields(TimingSettings)}
    settings = TimingSettings(**{k: v for k, v in table.header.settings.items() if k in kept})  # type: ignore[arg-type]
    sitting = Sitting.of_table(space, table)
    yield from device.time(blueprints, settings, sitting.reference if sitting is not None else None)


def learn(space: SearchSpace, table: LatencyTable, archs: Sequence[Arch], timings: Sequence[Timing]) -> LatencyTable:
    """The table with calibration and residuals fitted to its own networks and to these.

    Networks that the table holds out stay held out, and tell the new error. A table of layers at several precisions has
    networks of all of them, whichever of them the archs have.

    Args:
        space: one that the table has all layers of.
        table: with what it learned first; what it learned later is in `archs`.
        archs: timed since.
        timings: theirs, at the speed of the table.
    """
    table.check(space)
    whole = space_of(table, space)
    if whole is not None:
        archs, space = [in_space(arch, space, whole) for arch in archs], whole
    own = [n for n in table.header.networks if not n.held_out] if whole is not None else []
    known = [*(arch_of(space, n) for n in own), *archs]
    times_ms = np.array([*(n.measured_ms for n in own), *(t.median_ms for t in timings)])
    if len(times_ms) < 2:
        return table
    rows = table.rows_of(space)
    layers = Layers(space.lowering.specs, work_of(space), np.array([row.timing.median_ms for row in rows]))
    counts = layer_counts(space, space.encode(known))
    fitted = fit_residual(counts, layers, times_ms)
    variance: Floats = np.array([(fitted.calibration.slope * row.std_ms) ** 2 for row in rows])
    calibration = with_error(fitted, counts, variance, times_ms)
    new = tuple(replace(row, residual_ms=float(ms)) for row, ms in zip(rows, fitted.layers_ms, strict=True))
    learned = LatencyTable(replace(table.header, calibration=calibration), new)
    held = [n for n in table.header.networks if n.held_out] if whole is not None else []
    if not held:
        return learned
    codes = space.encode([arch_of(space, n) for n in held])
    fidelity = Fidelity.between(
        learned.latency_ms(space)(codes),
        np.array([n.measured_ms for n in held]),
        learned.latency_std_ms(space)(codes),
        macs=layer_counts(space, codes) @ layers.work.macs,
    )
    return replace(learned, header=replace(learned.header, fidelity=fidelity))
