"""`vitnas verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AsJson, TimedOn, emit, say_step
from vitnas.errors import SettingsError


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder that `vitnas export` wrote.")],
    data: Annotated[str | None, typer.Option(help="The images: a data set by name, a folder or a file.")] = None,
    run: Annotated[Path | None, typer.Option(help="Take the images of this run.")] = None,
    devices: TimedOn = None,
    measure: Annotated[
        bool,
        typer.Option("--measure/--no-measure", help="Time the network on the devices of its report that are here."),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Compare the artefacts of an export with their network and their latencies again, here and now.

    Example: vitnas verify knee
    """
    from vitnas.deployment.verify import images_for
    from vitnas.deployment.verify import verify as compare
    from vitnas.reporting.exports import print_verified
    from vitnas.run import RunFolder
    from vitnas.supernets.data import dataset_of
    from vitnas.supernets.exported import exported_folders, read_report

    if data is not None and run is not None:
        raise SettingsError("--data and --run both say which images; give one of the two")
    found = {}
    for part in exported_folders(folder, read_report(folder)):
        report = read_report(part)
        dataset = dataset_of(RunFolder.open(run)) if run is not None else images_for(report, data)
        found[str(part)] = compare(part, dataset, devices=devices or (), measure=measure, progress=say_step)
    emit(found, as_json, print_verified)
