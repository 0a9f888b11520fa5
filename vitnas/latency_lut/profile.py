"""Profiling: measures layers of a space and some whole networks, and makes a latency table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from vitnas.errors import DeviceError
from vitnas.latency_lut.assemble import Measured, Origin, assemble, layer_counts, work_of
from vitnas.latency_lut.budget import NETWORKS, Least, least_layers
from vitnas.latency_lut.devices import Device
from vitnas.latency_lut.estimate.device import EstimatedDevice, write_estimates
from vitnas.latency_lut.features import Floats
from vitnas.latency_lut.interpolation import Interpolated, Interpolator
from vitnas.latency_lut.parquet import refuse_other_table
from vitnas.latency_lut.sampling import sample_networks, spread_out
from vitnas.latency_lut.settings import ProfileSettings, TimingSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.timing_journal import PartialTimings, blueprint_key
from vitnas.latency_lut.timing_session import Gathering, timing_bar
from vitnas.search_spaces import Arch, Blueprint, Compressed, LayerSpec, SearchSpace

TYPICAL = 1000
"""Archs drawn to learn how often networks have each layer."""

LAYERS_FIRST, NETWORKS_THEN = 0.4, 0.8
"""Of a budget: when the first layers must be done, and when the whole networks."""


def profile(
    space: SearchSpace,
    device: Device,
    path: Path,
    settings: ProfileSettings = ProfileSettings(),
    progress: bool = True,
    budget_s: float | None = None,
) -> LatencyTable:
    """Measures layers and networks of a space and writes the table to `path`.

    Every kind of layer is sampled first, then whole networks, then the layers that most of the networks' error comes
    from; the rest is interpolated. Timings are kept in ``PATH.partial.jsonl`` as they come; after a kill the
    same call continues.

    Args:
        space: its layers and some of its networks are measured.
        device: where.
        path: the parquet file to write.
        settings: how carefully.
        progress: shows a bar on standard error.
        budget_s: seconds that this call may take in all; without it, until `settings.tolerance` is met.
    """
    begun = time.monotonic()
    check_first(space, device, path)
    if isinstance(device, EstimatedDevice):
        return write_estimates(space, device, path)
    networks = sample_networks(space, settings.fit_networks, settings.test_networks, settings.seed)
    fingerprint = device.fingerprint_of(mixed=isinstance(space, Compressed))
    partial = PartialTimings(path.with_name(path.name + ".partial.jsonl"), terms(device, settings, fingerprint))
    with timing_bar(device, progress, budget_s) as bar:
        gathering = Gathering(device, partial, settings, bar, begun, budget_s)
        _measure(space, gathering, networks, settings)
    done = [(arch, out) for arch, out in networks if blueprint_key(space.lower(arch)) in partial.found]
    origin = Origin(device.name, fingerprint, settings.max_mape, settings.protocol(), beside=_middle(networks))
    table = assemble(space, origin, partial.found, done)
    table.write(path)
    partial.remove()
    return table


def check_first(space: SearchSpace, device: Device, path: Path) -> None:
    """Refuses what cannot become a table before anything is measured, or somebody is asked to bring the device."""
    check_target(path, device, space)
    device.check_precisions(precisions_of(space))


def check_target(path: Path, device: Device, space: SearchSpace) -> None:
    """Refuses a folder, a file that is no table, and a table with precisions that the new one lacks, before anything is measured."""
    if path.is_dir():
        raise DeviceError(f"'{path}' is a folder; name a file for the table, such as '{path / device.name}.parquet'")
    refuse_other_table(path)
    refuse_loss(path, space)


def refuse_loss(path: Path, space: SearchSpace) -> None:
    """Refuses a file that has rows at precisions which a table of a space would lack."""
    lost = [name for name in _precisions_in(path) if name not in precisions_of(space)]
    if lost:
        remedy = "measure them too with --compress, or " if not isinstance(space, Compressed) else ""
        raise DeviceError(
            f"'{path}' has rows at {', '.join(lost)}, which a table of space '{space.name}' would lose, and one table serves both; "
            f"{remedy}name another file with --out, or delete it"
        )


def _precisions_in(path: Path) -> list[str]:
    """Those of a table that lies there; none of one that cannot be read, which is worth nothing."""
    if not path.is_file():
        return []
    try:
        rows = LatencyTable.read(path).rows
    except DeviceError:
        return []
    return list(dict.fromkeys(row.spec.precision for row in rows))


def precisions_of(space: SearchSpace) -> list[str]:
    """At which precisions a space has layers."""
    return list(dict.fromkeys(spec.precision for spec in space.lowering.specs))


def terms(device: Device, settings: TimingSettings, fingerprint: dict[str, str | int]) -> dict[str, object]:
    """What must be the same for timings to be used together."""
    protocol = {f.name: getattr(settings, f.name) for f in fields(TimingSettings)}
    return {"format": 2, "device": device.name, "fingerprint": fingerprint, "protocol": protocol}


def _measure(
    space: SearchSpace, gathering: Gathering, networks: list[tuple[Arch, bool]], settings: ProfileSettings
) -> None:
    specs = space.lowering.specs
    interpolator = Interpolator(specs, work_of(space))
    importance = _importance(space, settings.seed)
    whole = _alternating(space, networks)
    middle = space.lower(_middle(networks))
    gathering.plan(len(whole))
    order = interpolator.first(importance)
    first = [Blueprint((), ()), *(Blueprint.single(specs[i]) for i in order)]
    if gathering.limited:
        some = [Blueprint.single(specs[i]) for i in least_layers(specs, order)]
        _time_least(space, gathering, Least([first[0], *some], whole[:NETWORKS]), len(interpolator.kinds), middle)
    gathering.time(first, "layers", share=LAYERS_FIRST)
    gathering.plan(-len(whole))
    gathering.time(whole, "whole networks", share=NETWORKS_THEN, reference=middle)
    while not gathering.over:
        gross_ms = Measured.of(space, gathering.found, []).gross_ms
        if len(gross_ms) == len(specs) or interpolator.missing(gross_ms):
            break
        filled = interpolator.fit(gross_ms)
        if _expected_error(interpolator, filled, importance) <= settings.tolerance:
            break
        batch = interpolator.next(filled, importance, max(4 * settings.group, len(gross_ms) // 10))
        if not batch:
            break
        gathering.time([Blueprint.single(specs[i]) for i in batch], "layers that matter most")
    for _ in range(1, settings.max_passes):
        layers = [Blueprint((), ()), *(Blueprint.single(specs[i]) for i in np.argsort(-importance))]
        for timed, reference in ((layers, None), (whole, middle)):
            slow = gathering.unsettled(timed, settings.max_drift)
            gathering.time(slow, "again, as the machine was slow", again=True, reference=reference)


def _time_least(space: SearchSpace, gathering: Gathering, least: Least, kinds: int, middle: Blueprint) -> None:
    """Times what no table can do without, or refuses the budget as soon as first timings tell that it is too short."""
    least.check(gathering, None, space.name)
    gathering.time(least.layers[: kinds + 1], "layers")
    least.check(gathering, _about_ms(space, gathering, middle), space.name)
    gathering.time(least.layers, "layers")
    gathering.time(least.networks[: len(least.networks) // 2], "whole networks", reference=middle)
    least.check(gathering, None, space.name)
    gathering.time(least.networks, "whole networks", reference=middle)
    if need_s := least.seconds(gathering):
        least.refuse(gathering, need_s, space.name)


def _about_ms(space: SearchSpace, gathering: Gathering, network: Blueprint) -> float:
    """What a network takes, roughly, as far as some layers tell; 0 while kinds are missing."""
    known_ms = Measured.of(space, gathering.found, []).gross_ms
    interpolator = Interpolator(space.lowering.specs, work_of(space))
    if interpolator.missing(known_ms):
        return 0.0
    told_ms: dict[LayerSpec, float] = dict(
        zip(space.lowering.specs, interpolator.fit(known_ms).ms.tolist(), strict=True)
    )
    return sum(told_ms[spec] for spec in network)


def _importance(space: SearchSpace, seed: int) -> Floats:
    """``(layers,)`` how often a random network has each layer; those in none still count a little."""
    codes = space.genome.sample(TYPICAL, np.random.default_rng([seed, 1]))
    found: Floats = (layer_counts(space, codes).sum(axis=0) + 0.1) / TYPICAL
    return found


def _expected_error(interpolator: Interpolator, filled: Interpolated, importance: Floats) -> float:
    """What layers not measured add to the relative error of a network, if those of a kind all miss the same way."""
    missed = importance * filled.ms * filled.error
    by_kind = [missed[kind.rows].sum() for kind in interpolator.kinds.values()]
    return float(np.sqrt(np.square(by_kind).sum()) / (importance * filled.ms).sum())


def _middle(networks: Sequence[tuple[Arch, bool]]) -> Arch:
    """Of networks in the order of their size."""
    return networks[len(networks) // 2][0]


def _alternating(space: SearchSpace, networks: list[tuple[Arch, bool]]) -> list[Blueprint]:
    """Networks to fit and to test in turns, each well spread from the first on."""
    fit = [space.lower(arch) for arch, out in networks if not out]
    test = [space.lower(arch) for arch, out in networks if out]
    parts = [[part[i] for i in spread_out(len(part))] for part in (fit, test)]
    longest = max(map(len, parts))
    return [part[i] for i in range(longest) for part in parts if i < len(part)]
