"""`vitnas verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AccuracyImages, AsJson, TimedOn, TorchDeviceName, emit
from vitnas.errors import SettingsError


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder that `vitnas export` wrote.")],
    data: Annotated[str | None, typer.Option(help="The images: a data set by name, a folder or a file.")] = None,
    val: Annotated[str | None, typer.Option(help="Their validation images, if the training named a place.")] = None,
    test: Annotated[str | None, typer.Option(help="Their test images, if the training named a place.")] = None,
    accuracy_images: AccuracyImages = None,
    run: Annotated[Path | None, typer.Option(help="Take the images of this run.")] = None,
    devices: TimedOn = None,
    measure: Annotated[
        bool,
        typer.Option("--measure/--no-measure", help="Time the network on the devices of its report that are here."),
    ] = True,
    torch_device: TorchDeviceName = "auto",
    as_json: AsJson = False,
) -> None:
    """Compare the artefacts of an export with their network, and its accuracy and latencies, again, here and now.

    Example: vitnas verify knee
    """
    from vitnas.api.exporting import verify
    from vitnas.reporting.terminal.exports import print_verified

    if run is not None and any(place is not None for place in (data, val, test)):
        raise SettingsError("--run says which images, as do --data, --val and --test; give one or the others")
    found = verify(
        folder,
        data,
        val=val,
        test=test,
        run=run,
        accuracy_images=accuracy_images,
        devices=devices or (),
        measure=measure,
        torch_device=torch_device,
        progress=True,
    )
    emit(found, as_json, print_verified)
