"""A table for a new device from a table of an old one and a handful of networks timed on the new.

Devices differ most in how dear kinds of layers are to each other and in what a call costs. So the rows of the
old table are corrected a kind at a time, towards one common factor where the samples do not say otherwise.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from vitnas import __version__
from vitnas.errors import DeviceError
from vitnas.latency_lut.assemble import layer_counts, work_of
from vitnas.latency_lut.calibration import Fidelity
from vitnas.latency_lut.devices import Device
from vitnas.latency_lut.features import Floats, by_kind, spread
from vitnas.latency_lut.profile import check_first, terms
from vitnas.latency_lut.protocol import Timing, align
from vitnas.latency_lut.residual import Layers, fit_residual
from vitnas.latency_lut.rows import ReferenceNetwork, WholeNetwork
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.timing_journal import PartialTimings, blueprint_key
from vitnas.latency_lut.timing_session import Gathering, timing_bar
from vitnas.search_spaces import Arch, Codes, Compressed, SearchSpace

POOL = 2048
LEAST = 4
"""Samples below which nothing could be left out to state the error."""


def transfer(
    space: SearchSpace,
    device: Device,
    old: LatencyTable,
    path: Path,
    samples: int = 15,
    settings: ProfileSettings = ProfileSettings(),
    progress: bool = True,
    budget_s: float | None = None,
) -> LatencyTable:
    """Times some whole networks on a device and writes a table of all layers, corrected from the old one.

    Args:
        space: the old table must have all its layers.
        device: the new one.
        old: of another device, or of this one in another state.
        path: the parquet file to write.
        samples: whole networks to time.
        settings: how carefully.
        progress: shows a bar on standard error.
        budget_s: seconds that this call may take in all.
    """
    begun = time.monotonic()
    check_first(space, device, path)
    check_old(space, old, samples)
    codes = sample_for_transfer(space, old, samples, settings.seed)
    archs = space.decode(codes)
    blueprints = [space.lower(arch) for arch in archs]
    middle = archs[np.argsort(old.latency_ms(space)(codes))[len(codes) // 2]]
    fingerprint = device.fingerprint_of(mixed=isinstance(space, Compressed))
    partial = PartialTimings(path.with_name(path.name + ".partial.jsonl"), terms(device, settings, fingerprint))
    with timing_bar(device, progress, budget_s) as bar:
        gathering = Gathering(device, partial, settings, bar, begun, budget_s)
        gathering.time(blueprints, "whole networks", reference=space.lower(middle))
        for _ in range(1, settings.max_passes):
            slow = gathering.unsettled(blueprints, settings.max_drift)
            gathering.time(slow, "again, as the machine was slow", again=True, reference=space.lower(middle))
    done = [
        arch for arch, blueprint in zip(archs, blueprints, strict=True) if blueprint_key(blueprint) in partial.found
    ]
    if len(done) < LEAST:
        each_s = gathering.seconds_each(whole=True)
        raise DeviceError(
            f"only {len(done)} networks were timed within the budget, and {LEAST} is the least; the timings are kept: "
            f"call it again with a --budget of {math.ceil(2 * (LEAST - len(done)) * each_s)}s or more"
        )
    timings = align([partial.found[blueprint_key(space.lower(arch))] for arch in done])
    table = carry_over(space, old, done, timings)
    header = replace(
        table.header,
        device=device.name,
        beside=ReferenceNetwork.of(middle, timings[0].reference_ms),
        fingerprint=fingerprint,
        max_mape=settings.max_mape,
        settings=settings.protocol(),
    )
    table = replace(table, header=header)
    table.write(path)
    partial.remove()
    return table


def check_old(space: SearchSpace, old: LatencyTable, samples: int) -> None:
    """Refuses a table that says nothing of the space, and samples that are too few."""
    old.check(space)
    if samples < LEAST:
        raise DeviceError(f"{samples} samples are too few to state an error: at least {LEAST}, better 10 to 20")


def sample_for_transfer(space: SearchSpace, old: LatencyTable, n: int, seed: int) -> Codes:
    """Archs that lie far apart in the time that each kind of layer takes on the old device."""
    ends = space.encode([space.smallest(), space.largest()])
    drawn = space.genome.sample(POOL, np.random.default_rng([seed, 2]))
    codes = np.unique(np.concatenate([ends, drawn]), axis=0)
    counts, alone_ms = layer_counts(space, codes), in_network_ms(space, old)
    parts = [counts[:, rows] @ alone_ms[rows] for rows in by_kind(space.lowering.specs).values()]
    picked: Codes = codes[spread(np.log(np.stack(parts, axis=1) + 1e-6), n)]
    return picked


def in_network_ms(space: SearchSpace, table: LatencyTable) -> Floats:
    """``(layers,)`` what each layer adds to a network on the device of a table."""
    slope = table.header.calibration.slope
    found = [slope * row.timing.median_ms + row.residual_ms for row in table.rows_of(space)]
    costs_ms: Floats = np.maximum(np.array(found), 0.0)
    return costs_ms


def carry_over(space: SearchSpace, old: LatencyTable, archs: Sequence[Arch], timings: Sequence[Timing]) -> LatencyTable:
    """The old table's rows as the new device's networks tell them; the error is that of samples left out in turn."""
    before_ms = in_network_ms(space, old)
    work = work_of(space)
    layers = Layers(space.lowering.specs, work, before_ms)
    counts = layer_counts(space, space.encode(archs))
    times_ms = np.array([timing.median_ms for timing in timings])
    fitted = fit_residual(counts, layers, times_ms, sure=0.0)
    after_ms = np.maximum(fitted.calibration.slope * before_ms + fitted.layers_ms, 0.0)
    missed = fitted.left_out_ms / times_ms - 1
    calibration = replace(fitted.calibration, slope=1.0, error=float(np.sqrt(np.mean(missed**2))))
    rows = []
    for row, ms in zip(old.rows_of(space), after_ms, strict=True):
        factor = ms / row.timing.median_ms if row.timing.median_ms > 0 else 1.0
        timing = replace(row.timing.scaled(factor), provenance="estimated", reference_ms=timings[0].reference_ms)
        rows.append(replace(row, timing=timing, residual_ms=0.0))
    sums_ms = counts @ after_ms
    std_ms = calibration.error * fitted.left_out_ms if calibration.error else fitted.left_out_ms * 0
    header = replace(
        old.header,
        space=space.name,
        space_fingerprint=space.fingerprint,
        task=space.task,
        overhead_ms=0.0,
        reference_ms=0.0,
        calibration=calibration,
        fidelity=Fidelity.between(fitted.left_out_ms, times_ms, std_ms, how="left out", macs=counts @ work.macs),
        networks=tuple(
            WholeNetwork.of(arch, total, said, std, took, held_out=False)
            for arch, total, said, std, took in zip(archs, sums_ms, fitted.left_out_ms, std_ms, times_ms, strict=True)
        ),
        interpolation={},
        source=f"table of device '{old.header.device}', {old.header.created}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        vitnas=__version__,
    )
    return LatencyTable(header, tuple(rows))
