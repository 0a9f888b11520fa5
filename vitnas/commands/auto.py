"""`vitnas auto`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vitnas.automation.settings import AutoSettings
from vitnas.commands.limits import Devices, SeveralLatencies, several_limits
from vitnas.commands.options import AsJson, Config, emit
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.supernets.settings.data import DataSettings


@with_settings(
    how=Flags(
        AutoSettings,
        names={
            "formats": "--format",
            "spaces": "--space",
            "baselines": "--baseline",
            "seconds": "--time",
            "loggers": "--logger",
        },
        without=("limits",),
    ),
    data=Flags(DataSettings, names={"format": "--data-format", "seed": "--data-seed"}, without=("name",)),
)
def auto(
    images: Annotated[str, typer.Argument(help="Folder or file of images with labels, or a data set by name.")],
    how: Given[AutoSettings],
    data: Given[DataSettings],
    device: Devices = None,
    latency: SeveralLatencies = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the plan, and train nothing.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the answer (default: auto/IMAGES).")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find, train, compare and export a network that keeps your limits, or one for each of several limits.

    Example: vitnas auto photos/ --device cpu --latency 3ms --time 2h
    """
    from vitnas.api.automating import auto as find_network
    from vitnas.reporting.terminal.automation import describe_found, print_found

    limits = several_limits(device, latency)
    found = find_network(
        replace(data.settings(config), name=images),
        how.settings(config, {"limits": limits} if limits else {}),
        out,
        dry_run=dry_run,
        progress=True,
    )
    emit(describe_found(found), as_json, print_found)
