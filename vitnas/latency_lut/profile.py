"""Profiling: measures the layers of a space and some whole networks, and makes a latency table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitnas import __version__
from vitnas.errors import DeviceError
from vitnas.latency_lut.calibration import Calibration, Fidelity
from vitnas.latency_lut.devices import Device
from vitnas.latency_lut.partial import PartialTimings, blueprint_key
from vitnas.latency_lut.protocol import Timing, TimingSettings, align, require_positive
from vitnas.latency_lut.table import Header, LatencyTable, Row, WholeNetwork
from vitnas.search_spaces import Blueprint, Codes, LayerSpec, SearchSpace

POOL = 512
"""Archs drawn to pick well-spread networks from."""


@dataclass(frozen=True)
class ProfileSettings(TimingSettings):
    """The settings of a profile, table [profile] of a settings file; see also `TimingSettings`.

    Attributes:
        fit_networks: whole networks that the calibration is fitted to.
        test_networks: whole networks held out to state the table's error.
        max_mape: a table whose error is above this is marked.
        max_passes: layers measured while the machine was slow are measured again, this many times in all.
        seed: draws the networks.
    """

    fit_networks: int = 8
    test_networks: int = 8
    max_mape: float = 0.1
    max_passes: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, ("fit_networks", "test_networks", "max_mape", "max_passes"))
        if self.seed < 0:
            raise ValueError(f"'seed' must not be negative, got {self.seed}")

    @classmethod
    def quick(cls) -> ProfileSettings:
        """Short blocks: a small space in under a minute, with a spread of some percent."""
        return cls(block_ms=4.0, blocks=15, max_repeats=2, warmup_ms=30.0, max_warmup_ms=200.0)


def profile(
    space: SearchSpace, device: Device, path: Path, settings: ProfileSettings = ProfileSettings(), progress: bool = True
) -> LatencyTable:
    """Measures every distinct layer of a space and writes the table to `path`.

    Timings are kept in ``PATH.partial.jsonl`` as they come; after a kill the same call continues.

    Args:
        space: its layers and some of its networks are measured.
        device: where.
        path: the parquet file to write.
        settings: how carefully.
        progress: shows a bar on standard error.
    """
    if path.is_dir():
        raise DeviceError(f"'{path}' is a folder; name a file for the table, such as '{path / device.name}.parquet'")
    layers = list(space.lowering.specs)
    codes, held_out = _well_spread(space, settings)
    archs = space.decode(codes)
    networks = [space.lower(arch) for arch in archs]
    todo = [Blueprint((), ()), *(Blueprint.single(spec) for spec in layers), *networks]
    partial = PartialTimings(path.with_name(path.name + ".partial.jsonl"), _terms(device, settings))
    _measure(todo, device, partial, settings, progress)
    overhead, *others = align([partial.found[blueprint_key(blueprint)] for blueprint in todo])
    net = {spec: t.less(overhead.median_ms) for spec, t in zip(layers, others, strict=False)}
    whole = [
        WholeNetwork(arch.id, sum(net[spec].median_ms for spec in network), timing.median_ms, bool(out))
        for arch, network, timing, out in zip(archs, networks, others[len(layers) :], held_out, strict=True)
    ]
    header = _header(space, device, settings, overhead, whole)
    table = LatencyTable(header, tuple(_row(spec, timing) for spec, timing in net.items()))
    table.write(path)
    partial.remove()
    return table


def _measure(
    todo: Sequence[Blueprint], device: Device, partial: PartialTimings, settings: ProfileSettings, progress: bool
) -> None:
    """Fills `partial`; what was measured while the machine was slow is measured again."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not progress, transient=True
    ) as bar:
        for number in range(settings.max_passes):
            waiting = list({blueprint_key(b): b for b in todo if _unsettled(b, partial, settings)}.values())
            if not waiting:
                break
            label = f"measuring on {device.name}" if number == 0 else "again, as the machine was slow"
            task = bar.add_task(label, total=len(waiting))
            for blueprint, timing in zip(waiting, device.time(waiting, settings), strict=True):
                earlier = partial.found.get(blueprint_key(blueprint))
                if earlier is None or timing.reference_ms < earlier.reference_ms:
                    partial.add(blueprint, timing)
                bar.advance(task)


def _unsettled(blueprint: Blueprint, partial: PartialTimings, settings: ProfileSettings) -> bool:
    timing = partial.found.get(blueprint_key(blueprint))
    if timing is None:
        return True
    quiet_ms = min(t.reference_ms for t in partial.found.values())
    return timing.reference_ms > quiet_ms * (1 + settings.max_drift)


def _terms(device: Device, settings: ProfileSettings) -> dict[str, object]:
    """What must be the same for timings to be used together."""
    protocol = {f.name: getattr(settings, f.name) for f in fields(TimingSettings)}
    return {"format": 1, "device": device.name, "fingerprint": device.fingerprint(), "protocol": protocol}


def _well_spread(space: SearchSpace, settings: ProfileSettings) -> tuple[Codes, NDArray[np.bool_]]:
    """Archs from the smallest to the largest in even steps of rank by MACs, and which are held out."""
    from vitnas.supernets.counting import PopulationCounter

    ends = space.encode([space.smallest(), space.largest()])
    drawn = space.genome.sample(POOL, np.random.default_rng(settings.seed))
    codes = np.unique(np.concatenate([ends, drawn]), axis=0)
    codes = codes[np.argsort(PopulationCounter(space)(codes).macs, kind="stable")]
    count = min(len(codes), settings.fit_networks + settings.test_networks)
    codes = codes[np.linspace(0, len(codes) - 1, count).round().astype(int)]
    held_out = np.zeros(count, dtype=np.bool_)
    tests = max(min(settings.test_networks, count - 2), 0)
    held_out[np.linspace(0, count - 1, tests + 2)[1:-1].round().astype(int)] = True
    return codes, held_out


def _header(
    space: SearchSpace,
    device: Device,
    settings: ProfileSettings,
    overhead: Timing,
    networks: Sequence[WholeNetwork],
) -> Header:
    sums = np.array([n.sum_ms for n in networks])
    measured = np.array([n.measured_ms for n in networks])
    out = np.array([n.held_out for n in networks])
    calibration = Calibration.fit(sums[~out], measured[~out])
    return Header(
        device=device.name,
        fingerprint=device.fingerprint(),
        space=space.name,
        space_fingerprint=space.fingerprint,
        task=space.task,
        overhead_ms=overhead.median_ms,
        reference_ms=overhead.reference_ms,
        calibration=calibration,
        fidelity=Fidelity.between(calibration(sums[out]), measured[out]) if out.any() else None,
        max_mape=settings.max_mape,
        networks=tuple(networks),
        settings=asdict(settings),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        vitnas=__version__,
    )


def _row(spec: LayerSpec, timing: Timing) -> Row:
    from vitnas.supernets.counting import count_layer

    return Row(spec, timing, **asdict(count_layer(spec)))
