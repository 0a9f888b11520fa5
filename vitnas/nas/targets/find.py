"""Latency tables for a search: those that are there, and those of estimated devices made at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vitnas.errors import DeviceError, UnknownNameError
from vitnas.latency_lut.devices import Device, load_device
from vitnas.latency_lut.devices.device import INTEGERS
from vitnas.latency_lut.estimate.device import EstimatedDevice, write_estimates
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.targets.target import Target
from vitnas.search_spaces import Arch, SearchSpace

Say = Callable[[str], None]

LOOKED_AT = 8
"""Archs whose placement on a Neural Engine is looked at before a search."""


def find_target(
    space: SearchSpace,
    name: str,
    places: Sequence[Path],
    home: Path,
    remedy: str,
    measure: bool,
    say: Say,
    strict: bool = False,
) -> Target:
    """The table of a device, and the device itself if it is here and the table is of it.

    Args:
        space: that the table must serve.
        name: of the device.
        places: files that may hold the table, the first that is there is used.
        home: where the table of an estimated device is written if there is none.
        remedy: the command that makes a table of a device to be measured.
        measure: whether anybody wants to measure.
        say: told what the figures are worth.
        strict: refuses a table that misses its stated error, instead of telling.
    """
    device = _known(name)
    path = next((place for place in places if place.is_file()), None)
    if path is not None:
        table = LatencyTable.read(path)
        if table.header.device != name:
            raise DeviceError(
                f"'{path}' is a table of device '{table.header.device}', not of '{name}'; name its device"
            )
    elif isinstance(device, EstimatedDevice):
        say(f"device '{name}' is not here: its latencies are estimated, {device.stated_error}")
        table = write_estimates(space, device, home)
    elif device is None:
        load_device(name)  # says what there is
        raise AssertionError(name)
    else:
        where = " or ".join(f"'{place}'" for place in places)
        raise DeviceError(f"there is no latency table {where} for device '{name}'; measure one with `{remedy}`")
    for warning in table.warnings:
        if strict:
            raise DeviceError(f"{warning}; without --strict the search goes on with it")
        say(f"warning: {warning}")
    if isinstance(device, EstimatedDevice):
        _warn_of_fallback(space, device, say)
        device = None
    return Target(space, table, _here(device, table, say) if measure and device is not None else None)


def _known(name: str) -> Device | None:
    try:
        return load_device(name)
    except UnknownNameError:  # a phone or board that was measured elsewhere has a table, and no device
        return None


def _here(device: Device, table: LatencyTable, say: Say) -> Device | None:
    if device.origin != "measured here" or device.missing() is not None:
        return None
    try:
        table.check_fingerprint(device.fingerprint_of(mixed=INTEGERS in table.header.fingerprint))
    except DeviceError as error:
        say(f"nothing is measured while searching: {error}")
        return None
    return device


def _warn_of_fallback(space: SearchSpace, device: EstimatedDevice, say: Say) -> None:
    """Says how many archs would leave a Neural Engine, which no sum over layers tells."""
    if not str(device.fingerprint().get("runtime", "")).startswith("Core ML"):
        return
    import numpy as np

    from vitnas.latency_lut.estimate import Placement, load_model
    from vitnas.latency_lut.estimate.networks import layer_ops

    model = load_model(device.name)

    def place(arch: Arch) -> Placement | None:
        return model.placement([op for spec in space.lower(arch) for op in layer_ops(spec)], device.name)

    archs = [space.smallest(), space.largest(), *space.sample(LOOKED_AT, np.random.default_rng(0))]
    found = [p for p in map(place, archs) if p is not None and p.falls_back]
    if found:
        say(
            f"warning: {len(found)} of {len(archs)} archs looked at would likely leave the Neural Engine of "
            f"{device.name} ({found[0].reasons[0]}) and be slower than estimated; `vitnas estimate` tells by how much. On "
            f"families left out: {model.target(device.name).flag}"
        )
