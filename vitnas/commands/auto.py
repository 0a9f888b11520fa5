"""`vitnas auto`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vitnas.automation.settings import AutoSettings
from vitnas.commands.options import AsJson, Config, emit
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.errors import SettingsError
from vitnas.quantities import parse_ms
from vitnas.supernets.settings.data import DataSettings


@with_settings(
    how=Flags(
        AutoSettings,
        names={"formats": "--format", "spaces": "--space", "baselines": "--baseline", "seconds": "--time"},
        without=("limits",),
    ),
    data=Flags(DataSettings, names={"format": "--data-format", "seed": "--data-seed"}, without=("name",)),
)
def auto(
    images: Annotated[str, typer.Argument(help="Folder or file of images with labels, or a data set by name.")],
    how: Given[AutoSettings],
    data: Given[DataSettings],
    device: Annotated[
        list[str] | None, typer.Option(help="Where the network shall run, see `vitnas devices`; several times.")
    ] = None,
    latency: Annotated[
        list[str] | None, typer.Option(help="Most that an image may take: 3ms, or iphone12=1.5ms for one device.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the plan, and train nothing.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the answer (default: auto/IMAGES).")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find, train, compare and export a network that keeps your limits.

    Example: vitnas auto photos/ --device cpu --latency 3ms --time 2h
    """
    from vitnas.api.automating import auto as find_network
    from vitnas.reporting.terminal.automation import describe_found, print_found

    limits = _limits(device or [], latency or [])
    found = find_network(
        replace(data.settings(config), name=images),
        how.settings(config, {"limits": limits} if limits else {}),
        out,
        dry_run=dry_run,
        progress=True,
    )
    emit(describe_found(found), as_json, print_found)


def _limits(devices: list[str], latencies: list[str]) -> dict[str, float]:
    """Device -> milliseconds."""
    found: dict[str, float] = {}
    for text in latencies:
        device, equals, value = text.rpartition("=")
        for name in [device] if equals else devices or ["cpu"]:
            found[name] = parse_ms(value, "--latency")
    if latencies and (left := [name for name in devices if name not in found]):
        raise SettingsError(f"--device {left[0]} has no limit; give --latency {left[0]}=3ms as well")
    return found
