"""Limits, as commands take them: 3ms, iphone12=1.5ms, 6M."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from vitnas.errors import SettingsError
from vitnas.nas.quantity import Quantity
from vitnas.quantities import parse_bytes, parse_count, parse_mj, parse_ms

Parse = Callable[[str, str], float]

OF_DEVICES: dict[str, tuple[str, Parse]] = {"latency": ("latency_ms", parse_ms), "energy": ("energy_mj", parse_mj)}
"""Flag -> the quantity that it limits, of one device or of all, and how its values are read."""
OF_NETWORKS: dict[str, tuple[str, Parse]] = {
    "params": ("num_params", parse_count),
    "macs": ("macs", parse_count),
    "memory": ("activation_bytes", parse_bytes),
    "size": ("weight_bytes", parse_bytes),
    "bitops": ("bitops", parse_count),
}
"""The same of what is so on any device."""

Devices = Annotated[
    list[str] | None, typer.Option("--device", help="Where the network shall run, see `vitnas devices`; several times.")
]
Latencies = Annotated[
    list[str] | None,
    typer.Option("--latency", help="Most that an image may take: 3ms, or iphone12=1.5ms for one device."),
]
SeveralLatencies = Annotated[
    list[str] | None,
    typer.Option(
        "--latency",
        help="Most that an image may take: 3ms, or iphone12=1.5ms for one device; 1ms,2ms,4ms for a network each.",
    ),
]


def latency_limits(devices: list[str] | None, latencies: list[str] | None) -> dict[str, float]:
    """Device -> milliseconds; a limit without a device is for all that are named, or for this processor."""
    found = several_limits(devices, latencies)
    if many := [name for name, values in found.items() if len(values) > 1]:
        raise SettingsError(f"--latency gives {len(found[many[0]])} limits for {many[0]}; give one")
    return {name: values[0] for name, values in found.items()}


def several_limits(devices: list[str] | None, latencies: list[str] | None) -> dict[str, tuple[float, ...]]:
    """Device -> milliseconds, as many as networks are wanted."""
    found: dict[str, tuple[float, ...]] = {}
    for text in latencies or ():
        device, equals, value = text.rpartition("=")
        for name in [device] if equals else devices or ["cpu"]:
            found[name] = tuple(parse_ms(one.strip(), "--latency") for one in value.split(","))
    if left := [name for name in devices or () if name not in found]:
        raise SettingsError(f"--device {left[0]} has no limit; give --latency {left[0]}=3ms as well")
    return found


def search_limits(
    of_devices: Mapping[str, list[str] | None], of_networks: Mapping[str, str | None]
) -> dict[str, float]:
    """Quantity -> the most it may be, as settings of a search have it.

    Args:
        of_devices: flag of `OF_DEVICES` -> what it was given: ``1.5ms``, or ``iphone12=1.5ms`` for one device.
        of_networks: flag of `OF_NETWORKS` -> what it was given.
    """
    limits: dict[str, float] = {}
    for flag, values in of_devices.items():
        quantity, parse = OF_DEVICES[flag]
        for text in values or ():
            device, equals, value = text.rpartition("=")
            limits[str(Quantity(quantity, device if equals else None))] = parse(value, f"--{flag}")
    for flag, given in of_networks.items():
        quantity, parse = OF_NETWORKS[flag]
        if given is not None:
            limits[quantity] = parse(given, f"--{flag}")
    return limits
