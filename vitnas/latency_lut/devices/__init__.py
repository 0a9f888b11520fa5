"""Devices by name; third parties add theirs through the entry point group `vitnas.devices`."""

from __future__ import annotations

from collections.abc import Callable

from vitnas.latency_lut.devices.device import Device
from vitnas.registry import Registry

DEVICES: Registry[Callable[[], Device]] = Registry(
    "device",
    "vitnas.devices",
    {
        "cpu": "vitnas.latency_lut.devices.cpu:CPU",
    },
)


def load_device(name: str) -> Device:
    """The device of this name; nothing is measured yet."""
    return DEVICES.load(name)()


__all__ = ["DEVICES", "Device", "load_device"]
