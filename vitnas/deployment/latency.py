"""What a network takes on devices that are here, to stand beside what was predicted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vitnas.errors import DeviceError, UnknownNameError
from vitnas.latency_lut.devices import Device, load_device
from vitnas.latency_lut.profile import ProfileSettings
from vitnas.search_spaces import Blueprint


def devices_here(wanted: Iterable[str], where_possible: Iterable[str]) -> list[Device]:
    """Devices that can time a network now.

    Args:
        wanted: names of those that must be here; refused where one is not.
        where_possible: names of those that are left out where they are not here, such as a phone.
    """
    found: dict[str, Device] = {}
    demanded = set(wanted)
    for name in dict.fromkeys([*wanted, *where_possible]):
        try:
            device = load_device(name)
            missing = device.missing() if device.origin == "measured here" else "it is not measured here"
            if missing:
                raise DeviceError(f"device '{name}' cannot time the network: {missing}")
        except (DeviceError, UnknownNameError):
            if name in demanded:
                raise
            continue
        found[name] = device
    return list(found.values())


def measured_ms(blueprint: Blueprint, devices: Sequence[Device]) -> dict[str, float]:
    """The median latency on each device."""
    settings = ProfileSettings.quick()
    return {device.name: timing.median_ms for device in devices for timing in device.time([blueprint], settings)}
