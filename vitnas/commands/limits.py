"""Limits on latencies, as commands take them for several devices."""

from __future__ import annotations

from typing import Annotated

import typer

from vitnas.errors import SettingsError
from vitnas.quantities import parse_ms

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
