"""`vitnas devices`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AsJson, emit


def devices(
    run: Annotated[
        Path | None, typer.Option(help="Run whose latency tables to judge (default: the newest below runs/, if any).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the devices: what runs there, where figures come from, how far they are off, and what is missing here.

    Example: vitnas devices --json
    """
    from vitnas.api.loading import RUNS
    from vitnas.reporting.terminal.devices import list_devices, print_devices
    from vitnas.run import RunFolder, newest_run

    opened = RunFolder.open(run) if run is not None else newest_run(RUNS)
    emit(list_devices(opened), as_json, print_devices)
