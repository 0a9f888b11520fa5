"""`vitnas family`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.automation.pruning.settings import FamilySettings
from vitnas.commands.limits import Devices, search_limits
from vitnas.commands.options import DATA, AsJson, Config, emit_search, given_network
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.nas.settings import SearchSettings
from vitnas.settings import read_settings
from vitnas.supernets.settings.data import DataSettings
from vitnas.supernets.settings.train import TrainSettings


@with_settings(
    how=Flags(FamilySettings),
    data=DATA,
    searching=Flags(SearchSettings, only=("workers", "torch_device")),
)
def family(
    how: Given[FamilySettings],
    data: Given[DataSettings],
    searching: Given[SearchSettings],
    device: Devices = None,
    latency: Annotated[
        list[str] | None, typer.Option(help="Most that a network may take: 1.5ms, or iphone12=1.5ms for one device.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/DATA-NETWORK).")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find the faster networks that a trained one becomes: the whole front, without training.

    Example: vitnas family --init timm:deit_tiny_patch16_224 --data photos/ --device cpu
    """
    from vitnas.api.families import family as find_family

    settings = how.settings(config)
    limits = search_limits({"latency": latency}, {})
    found = find_family(
        given_network(settings.init),
        data.settings(config),
        device or ["cpu"],
        settings,
        searching=searching.settings(config, {"limits": limits} if limits else {}),
        train=read_settings(TrainSettings, config, TrainSettings.table, {}),
        path=out,
        progress=True,
    )
    emit_search(found, as_json)
