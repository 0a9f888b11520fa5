"""Learning: a table that has seen more whole networks predicts others better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vitnas.latency_lut.assemble import layer_counts, with_error, work_of
from vitnas.latency_lut.calibration import Fidelity
from vitnas.latency_lut.features import Floats
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.residual import Layers, fit_residual
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import Arch, SearchSpace


def at_speed_of(table: LatencyTable, timing: Timing) -> Timing:
    """A timing as it would have been when the table was measured, by what the reference network took."""
    then_ms, now_ms = table.header.reference_ms, timing.reference_ms
    return timing.scaled(then_ms / now_ms) if then_ms > 0 and now_ms > 0 else timing


def learn(space: SearchSpace, table: LatencyTable, archs: Sequence[Arch], timings: Sequence[Timing]) -> LatencyTable:
    """The table with calibration and residuals fitted to its own networks and to these.

    Networks that the table holds out stay held out, and tell the new error.

    Args:
        space: one that the table has all layers of.
        table: with what it learned first; what it learned later is in `archs`.
        archs: timed since.
        timings: theirs, see `at_speed_of`.
    """
    table.check(space)
    own = [n for n in table.header.networks if not n.held_out] if _is_of(table, space) else []
    known = [*(Arch.from_json({"space": space.name, "genes": n.genes}) for n in own), *archs]
    times_ms = np.array([*(n.measured_ms for n in own), *(t.median_ms for t in timings)])
    if len(times_ms) < 2:
        return table
    by_key = {row.spec.key: row for row in table.rows}
    rows = [by_key[spec.key] for spec in space.lowering.specs]
    layers = Layers(space.lowering.specs, work_of(space), np.array([row.timing.median_ms for row in rows]))
    counts = layer_counts(space, space.encode(known))
    fitted = fit_residual(counts, layers, times_ms)
    variance: Floats = np.array([(fitted.calibration.slope * row.std_ms) ** 2 for row in rows])
    calibration = with_error(fitted, counts, variance, times_ms)
    new = tuple(replace(row, residual_ms=float(ms)) for row, ms in zip(rows, fitted.layers_ms, strict=True))
    learned = LatencyTable(replace(table.header, calibration=calibration), new)
    held = [n for n in table.header.networks if n.held_out] if _is_of(table, space) else []
    if not held:
        return learned
    codes = space.encode([Arch.from_json({"space": space.name, "genes": n.genes}) for n in held])
    fidelity = Fidelity.between(
        learned.latency_ms(space)(codes), np.array([n.measured_ms for n in held]), learned.latency_std_ms(space)(codes)
    )
    return replace(learned, header=replace(learned.header, fidelity=fidelity))


def _is_of(table: LatencyTable, space: SearchSpace) -> bool:
    return table.header.space_fingerprint == space.fingerprint
