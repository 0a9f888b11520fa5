"""`vitnas prune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.automation.pruning.settings import PruneSettings
from vitnas.commands.limits import Devices, Latencies, latency_limits
from vitnas.commands.options import DATA, AsJson, Config, emit, given_network
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.deployment.settings import ExportSettings
from vitnas.supernets.settings.data import DataSettings


@with_settings(
    how=Flags(PruneSettings),
    data=DATA,
    exporting=Flags(ExportSettings, names={"formats": "--format"}, only=("formats",)),
)
def prune(
    how: Given[PruneSettings],
    data: Given[DataSettings],
    exporting: Given[ExportSettings],
    device: Devices = None,
    latency: Latencies = None,
    out: Annotated[Path | None, typer.Option(help="Folder of all (default: pruned/NETWORK).")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Bring a trained network below a limit in rounds: score, sort, remove, tune, and again.

    Example: vitnas prune --init timm:deit_tiny_patch16_224 --data photos/ --device cpu --latency 12ms --rounds 4
    """
    from vitnas.api.families import prune as prune_network
    from vitnas.reporting.terminal.pruning import describe_pruning, print_pruning

    settings, limits = how.settings(config), latency_limits(device, latency)
    found = prune_network(
        given_network(settings.init),
        data.settings(config),
        limits,
        settings,
        exporting=exporting.settings(config),
        path=out,
        progress=True,
    )
    emit(describe_pruning(found), as_json, print_pruning)
