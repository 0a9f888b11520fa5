"""The known devices, for the terminal and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vitnas.errors import DeviceError
from vitnas.latency_lut.devices import DEVICES, load_device
from vitnas.latency_lut.table import LatencyTable
from vitnas.reporting.terminal.tables import console, print_table
from vitnas.run import RunFolder


def list_devices(run: RunFolder | None = None) -> list[dict[str, Any]]:
    """Every device by name: its runtime, precision, the origin of its figures and what is missing here.

    Args:
        run: whose latency tables are told as well, of devices of any name.
    """
    tables = _tables(run) if run is not None else {}
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
                "table": tables.pop(name, None),
            }
        )
    elsewhere = {"runtime": None, "precision": None, "origin": "measured elsewhere", "stated_error": None}
    no_device = {"usable": False, "missing": "it is known by its table alone"}
    return found + [{"name": name, **elsewhere, **no_device, "table": table} for name, table in tables.items()]


def _tables(run: RunFolder) -> dict[str, dict[str, Any]]:
    """By device: the file, how far its figures are off in words, and what must be known of them."""
    found = {}
    for file in sorted((run.path / "latency").glob("*.parquet")):
        try:
            table = LatencyTable.read(file)
        except DeviceError as error:
            found[file.stem] = {"file": str(file), "error": "cannot be read", "warnings": [str(error)]}
            continue
        fidelity = table.header.fidelity
        off = f"MAPE {fidelity.mape:.1%}" if fidelity is not None else "not compared"
        if fidelity is not None and fidelity.kendall is not None:
            off += f", Kendall {fidelity.kendall:.2f}"
        found[table.header.device] = {"file": str(file), "error": off, "warnings": table.warnings}
    return found


def print_devices(devices: Sequence[dict[str, Any]]) -> None:
    """A line each; below, what to do for those that cannot be used here."""
    rows = [
        (
            device["name"],
            device["runtime"] or "",
            device["precision"] or "",
            device["origin"],
            device["table"]["error"] if device["table"] else device["stated_error"] or "stated by each table",
            "yes" if device["usable"] else "no",
        )
        for device in devices
    ]
    print_table(("device", "runtime", "precision", "figures", "error", "usable here"), (), rows)
    out = console()
    out.print("\nOptions are part of a name: cpu-2threads, cpu-batch8, cpu-2threads-batch8.")
    for device in devices:
        for warning in (device["table"] or {}).get("warnings", ()):
            out.print(f"{device['table']['file']}: warning: {warning}", markup=False)
        if not device["usable"]:
            out.print(f"{device['name']}: {device['missing']}", markup=False)
