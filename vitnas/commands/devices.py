"""`vitnas devices`."""

from __future__ import annotations

from vitnas.commands.options import AsJson, emit


def devices(as_json: AsJson = False) -> None:
    """List the devices: what runs there, where figures come from, and what is missing here.

    Example: vitnas devices --json
    """
    from vitnas.reporting.devices import list_devices, print_devices

    emit(list_devices(), as_json, print_devices)
