"""`vitnas count`."""

from __future__ import annotations

from typing import Annotated

import typer

from vitnas.commands.options import AsJson, Channels, Classes, ImageSize, SpaceName, emit, given_space
from vitnas.errors import SettingsError


def count(
    space: SpaceName = "autoformer-tiny",
    arch: Annotated[str | None, typer.Option(help="Arch file, or the name of a published arch.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Count this many random archs.")] = None,
    smallest: Annotated[bool, typer.Option("--smallest", help="Count the smallest arch.")] = False,
    largest: Annotated[bool, typer.Option("--largest", help="Count the largest arch.")] = False,
    seed: Annotated[int, typer.Option(help="Of the random archs.")] = 0,
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Count parameters, MACs and memory of archs.

    Example: vitnas count --space deit --arch DeiT-S
    """
    if sum([arch is not None, sample is not None, smallest, largest]) != 1:
        raise SettingsError("say which archs to count: exactly one of --arch, --sample, --smallest and --largest")
    from vitnas.api.counting import count
    from vitnas.reporting.terminal.counts import print_counts

    found = given_space(space, image_size, classes, channels)
    archs = [arch] if arch is not None else ["smallest"] if smallest else ["largest"]
    counted = count(found, archs if sample is None else sample, seed=seed)
    emit([one.to_json() for one in counted], as_json, print_counts)
