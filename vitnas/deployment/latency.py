"""What a network takes on devices that are here, to stand beside what was predicted."""

from __future__ import annotations

from collections.abc import Iterable

from vitnas.errors import DeviceError, UnknownNameError
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.profile import ProfileSettings
from vitnas.search_spaces import Blueprint


def measured_ms(blueprint: Blueprint, wanted: Iterable[str], where_possible: Iterable[str]) -> dict[str, float]:
    """The median latency on each device.

    Args:
        blueprint: of the network.
        wanted: devices that must be here.
        where_possible: devices that are left out where they are not, such as a phone.
    """
    found = {}
    demanded = set(wanted)
    for name in dict.fromkeys([*wanted, *where_possible]):
        try:
            device = load_device(name)
            missing = device.missing() if device.origin == "measured here" else "it is not measured here"
            if missing:
                raise DeviceError(f"device '{name}' cannot time the network: {missing}")
            (timing,) = device.time([blueprint], ProfileSettings.quick())
        except (DeviceError, UnknownNameError):
            if name in demanded:
                raise
            continue
        found[name] = timing.median_ms
    return found
