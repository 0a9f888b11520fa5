"""`vitnas estimate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AsJson, Channels, Classes, ImageSize, emit, given_space
from vitnas.errors import SettingsError
from vitnas.image_size import parse_image_size


def estimate(
    device: Annotated[str, typer.Option(help="One of those that `vitnas devices` calls estimated.")] = "iphone12",
    space: Annotated[str | None, typer.Option(help="Search space or its file, with --arch.")] = None,
    arch: Annotated[str | None, typer.Option(help="Arch file, or the name of a published arch.")] = None,
    timm: Annotated[str | None, typer.Option(help="Name of a timm model, taken as it is deployed.")] = None,
    onnx: Annotated[Path | None, typer.Option(help="ONNX file.")] = None,
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what a network would take on a device that is not here.

    Example: vitnas estimate --device iphone12 --timm fastvit_sa12
    """
    given = [name for name, value in (("--space", space), ("--timm", timm), ("--onnx", onnx)) if value is not None]
    if len(given) != 1 or (arch is None) != (space is None):
        raise SettingsError(
            "say what to estimate: --space SPACE with --arch FILE, or --timm NAME, or --onnx FILE, and only one of them"
        )
    if onnx is not None and image_size is not None:
        raise SettingsError("--image-size is fixed in an ONNX file; export it at the size you mean")
    if space is None and (classes is not None or channels is not None):
        raise SettingsError(f"--classes and --channels go with --space, not with {given[0]}")

    from vitnas.api.estimating import TIMM, estimate
    from vitnas.reporting.terminal.estimates import print_estimate

    if space is not None:
        found = estimate(given_space(space, image_size, classes, channels), arch, device)
    else:
        size = None if image_size is None else parse_image_size(image_size, "--image-size")
        found = estimate(f"{TIMM}{timm}" if timm is not None else str(onnx), device=device, image_size=size)
    emit(found.to_json(), as_json, print_estimate)
