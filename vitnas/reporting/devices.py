"""The known devices, for the terminal and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vitnas.latency_lut.devices import DEVICES, load_device
from vitnas.reporting.tables import console, print_table


def list_devices() -> list[dict[str, Any]]:
    """Every device by name: its runtime, precision, the origin of its figures and what is missing here."""
    found = []
    for name in DEVICES:
        device = load_device(name)
        terms = device.fingerprint()
        missing = device.missing()
        found.append(
            {
                "name": name,
                "runtime": terms.get("runtime"),
                "precision": terms.get("precision"),
                "origin": device.origin,
                "stated_error": device.stated_error,
                "usable": missing is None,
                "missing": missing,
            }
        )
    return found


def print_devices(devices: Sequence[dict[str, Any]]) -> None:
    """A line each; below, what to do for those that cannot be used here."""
    rows = [
        (
            device["name"],
            device["runtime"] or "",
            device["precision"] or "",
            device["origin"],
            device["stated_error"] or "stated by each table",
            "yes" if device["usable"] else "no",
        )
        for device in devices
    ]
    print_table(("device", "runtime", "precision", "figures", "error", "usable here"), (), rows)
    out = console()
    out.print("\nOptions are part of a name: cpu-2threads, cpu-batch8, cpu-2threads-batch8.")
    for device in devices:
        if not device["usable"]:
            out.print(f"{device['name']}: {device['missing']}", markup=False)
