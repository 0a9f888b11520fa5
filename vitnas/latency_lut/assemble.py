"""From timings to a table: measured here, on another machine, or read from a file, it is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from vitnas import __version__
from vitnas.errors import DeviceError
from vitnas.latency_lut.calibration import Calibration, Fidelity
from vitnas.latency_lut.features import Floats, LayerWork
from vitnas.latency_lut.interpolation import Interpolated, Interpolator
from vitnas.latency_lut.protocol import IQR_OF_NORMAL, Timing, align
from vitnas.latency_lut.residual import Layers, Residual, fit_residual
from vitnas.latency_lut.rows import COUNTS, Header, ReferenceNetwork, Row, WholeNetwork
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.timing_journal import blueprint_key
from vitnas.search_spaces import Arch, Blueprint, Codes, SearchSpace

OVERHEAD = blueprint_key(Blueprint((), ()))


@dataclass(frozen=True)
class Origin:
    """Where timings come from, for the header of their table; `beside` was timed between any two whole networks."""

    device: str
    fingerprint: dict[str, str | int]
    max_mape: float
    settings: dict[str, float | int] = field(default_factory=dict)
    source: str = ""
    beside: Arch | None = None


@dataclass(frozen=True)
class Measured:
    """Timings of a space, layers and networks each brought to one speed of the machine.

    Attributes:
        overhead: of a call that computes nothing.
        layers: by their position in `space.lowering.specs`; those that are known.
    """

    overhead: Timing
    layers: dict[int, Timing]
    networks: list[Timing]

    @classmethod
    def of(cls, space: SearchSpace, found: Mapping[str, Timing], networks: Sequence[Arch]) -> Measured:
        """Picks what belongs to a space; `found` is by `blueprint_key`."""
        positions = [i for i, spec in enumerate(space.lowering.specs) if spec.key in found]
        overhead = found.get(OVERHEAD, Timing(0.0, 0.0, 0.0, 0.0, 0, 0.0, "imported"))
        first, *layers = align([overhead, *(found[space.lowering.specs[i].key] for i in positions)])
        whole = align([found[blueprint_key(space.lower(arch))] for arch in networks])
        return cls(first, dict(zip(positions, layers, strict=True)), whole)

    @property
    def gross_ms(self) -> dict[int, float]:
        """Medians with the overhead, which has no zeros."""
        return {i: max(t.median_ms, 1e-6) for i, t in self.layers.items()}


def assemble(
    space: SearchSpace,
    origin: Origin,
    found: Mapping[str, Timing],
    networks: Sequence[tuple[Arch, bool]],
) -> LatencyTable:
    """Makes the table of a space: rows that were not measured are interpolated, whole networks calibrate and test it.

    Args:
        space: whose layers and networks were timed.
        origin: for the header.
        found: timings by `blueprint_key`: the empty blueprint, layers, networks; others are left aside.
        networks: archs among them, and whether each is held out to state the error.
    """
    work = work_of(space)
    measured = Measured.of(space, found, [arch for arch, _ in networks])
    interpolator = Interpolator(space.lowering.specs, work)
    if missing := interpolator.missing(measured.layers):
        raise DeviceError(
            f"no timing of any layer of kind {missing} of space '{space.name}', so none can be told from others; "
            f"time one of each at least, and go on with `vitnas profile --space {space.name} --device {origin.device}`"
        )
    filled = interpolator.fit(measured.gross_ms)
    timings = [_net(i, measured, filled) for i in range(len(space.lowering.specs))]
    alone_ms = np.array([timing.median_ms for timing in timings])
    archs = [arch for arch, _ in networks]
    out = np.array([held for _, held in networks], dtype=np.bool_)
    times_ms = np.array([timing.median_ms for timing in measured.networks])
    counts = layer_counts(space, space.encode(archs))
    fitted = _fit(counts[~out], Layers(space.lowering.specs, work, alone_ms), times_ms[~out])
    rows = tuple(
        Row(
            spec,
            timing,
            **{name: int(getattr(work, name)[i]) for name in COUNTS},
            residual_ms=float(fitted.layers_ms[i]),
        )
        for i, (spec, timing) in enumerate(zip(space.lowering.specs, timings, strict=True))
    )
    row_variance = np.array([(fitted.calibration.slope * row.std_ms) ** 2 for row in rows])
    calibration = with_error(fitted, counts[~out], row_variance, times_ms[~out])
    header = Header(
        device=origin.device,
        fingerprint=origin.fingerprint,
        space=space.name,
        space_fingerprint=space.fingerprint,
        task=space.task,
        overhead_ms=measured.overhead.median_ms,
        reference_ms=measured.overhead.reference_ms,
        calibration=calibration,
        fidelity=None,
        max_mape=origin.max_mape,
        beside=ReferenceNetwork.of(origin.beside, measured.networks[0].reference_ms)
        if origin.beside and archs
        else None,
        settings=origin.settings,
        interpolation={k: v for k, v in filled.left_out.items() if v > 0} if (filled.error > 0).any() else {},
        source=origin.source,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        vitnas=__version__,
    )
    table = LatencyTable(header, rows)
    sums = counts @ alone_ms, counts @ work.macs
    return _compared(table, space, networks, sums, times_ms, fitted.left_out_ms) if archs else table


def work_of(space: SearchSpace) -> LayerWork:
    """What the layers of a space do, counted once and kept on disk."""
    from vitnas.supernets.counting.cache import count_specs

    counted = [asdict(counts) for counts in count_specs(space)]
    return LayerWork.of(space.lowering.specs, {name: [counts[name] for counts in counted] for name in COUNTS})


def layer_counts(space: SearchSpace, codes: Codes) -> Floats:
    """``(archs, layers)`` how often each arch has each layer of the space."""
    counts = np.zeros((len(codes), len(space.lowering.specs)))
    numbers = space.lowering.spec_numbers(codes)
    rows, columns = np.nonzero(numbers >= 0)
    np.add.at(counts, (rows, numbers[rows, columns]), 1.0)
    return counts


def _fit(counts: Floats, layers: Layers, times_ms: Floats) -> Residual:
    if len(times_ms):
        return fit_residual(counts, layers, times_ms)
    return Residual(Calibration(0.0, 1.0), np.zeros(len(layers.specs)), times_ms)


def _net(position: int, measured: Measured, filled: Interpolated) -> Timing:
    overhead_ms = measured.overhead.median_ms
    if position in measured.layers:
        return measured.layers[position].less(overhead_ms)
    ms, error = float(filled.ms[position]), float(filled.error[position])
    timing = Timing(
        median_ms=ms,
        iqr_ms=IQR_OF_NORMAL * error * ms,
        min_ms=ms * max(1 - 1.282 * error, 0.0),
        p90_ms=ms * (1 + 1.282 * error),
        blocks=0,
        reference_ms=measured.overhead.reference_ms,
        provenance="interpolated",
    )
    return timing.less(overhead_ms)


def with_error(fitted: Residual, counts: Floats, row_variance: Floats, times_ms: Floats) -> Calibration:
    """States what predictions miss beyond what the rows' own errors explain."""
    if len(times_ms) < 4:
        return fitted.calibration
    missed = float(np.mean((fitted.left_out_ms / times_ms - 1) ** 2))
    explained = float(np.mean(counts @ row_variance / times_ms**2))
    return replace(fitted.calibration, error=float(np.sqrt(max(missed - explained, missed / 10))))


def _compared(
    table: LatencyTable,
    space: SearchSpace,
    networks: Sequence[tuple[Arch, bool]],
    sums: tuple[Floats, Floats],
    times_ms: Floats,
    left_out_ms: Floats,
) -> LatencyTable:
    """The table with what it says of the networks beside what they took; sums over layers are milliseconds and MACs."""
    sums_ms, macs = sums
    codes = space.encode([arch for arch, _ in networks])
    predicted, std_ms = table.latency_ms(space)(codes), table.latency_std_ms(space)(codes)
    out = np.array([held for _, held in networks], dtype=np.bool_)
    predicted[~out] = left_out_ms
    whole = tuple(
        WholeNetwork.of(arch, total, said, std, took, held)
        for (arch, held), total, said, std, took in zip(networks, sums_ms, predicted, std_ms, times_ms, strict=True)
    )
    fidelity = Fidelity.between(predicted[out], times_ms[out], std_ms[out], macs=macs[out]) if out.any() else None
    return replace(table, header=replace(table.header, networks=whole, fidelity=fidelity))
