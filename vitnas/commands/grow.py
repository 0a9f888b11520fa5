"""`vitnas grow`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AsJson, Channels, Classes, ImageSize, SpaceName, TorchDeviceName, emit, given_space
from vitnas.errors import SettingsError
from vitnas.quantities import parse_count, parse_ms


def grow(
    space: SpaceName = "asvit",
    arch: Annotated[str | None, typer.Option(help="Where to begin: an arch file or a published arch.")] = None,
    params: Annotated[str | None, typer.Option(help="Grow up to this many parameters, such as 28M.")] = None,
    macs: Annotated[str | None, typer.Option(help="Grow up to this many multiply-accumulates, such as 4G.")] = None,
    latency: Annotated[str | None, typer.Option(help="Grow up to this latency of --table, such as 20ms.")] = None,
    table: Annotated[Path | None, typer.Option(help="Latency table that `vitnas profile` made.")] = None,
    proxy: Annotated[
        list[str] | None, typer.Option(help="Whose ranks decide; repeat (default: ntk, length-distortion).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the weights and images.")] = 0,
    torch_device: TorchDeviceName = "auto",
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Grow depth and width from a small arch up to a budget, without training; each step is one of a family.

    Example: vitnas grow --space asvit --arch As-ViT-seed --params 28M
    """
    given = [text is not None for text in (params, macs, latency)]
    if sum(given) != 1 or (latency is None) != (table is None):
        raise SettingsError("say how far to grow: exactly one of --params, --macs, and --latency together with --table")
    from vitnas.api.scoring import grow
    from vitnas.predictors.proxies.grow import DEFAULT_PROXIES
    from vitnas.reporting.terminal.scores import describe_family, print_family

    family = grow(
        given_space(space, image_size, classes, channels),
        arch or "smallest",
        num_params=parse_count(params, "--params") if params else None,
        macs=parse_count(macs, "--macs") if macs else None,
        latency_ms=parse_ms(latency, "--latency") if latency else None,
        table=table,
        proxies=tuple(proxy or DEFAULT_PROXIES),
        seed=seed,
        torch_device=torch_device,
        progress=True,
    )
    emit(describe_family(family), as_json, print_family)
