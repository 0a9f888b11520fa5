"""`vitnas search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.limits import search_limits
from vitnas.commands.options import (
    AsJson,
    Channels,
    Classes,
    Compress,
    Config,
    ImageSize,
    Precisions,
    Simulate,
    asked_precisions,
    emit_search,
    given_space,
)
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.errors import SettingsError
from vitnas.nas.settings import SearchSettings


@with_settings(
    search=Flags(
        SearchSettings,
        names={"objectives": "--objective", "seconds": "--time", "loggers": "--logger"},
        without=("limits",),
    )
)
def search(
    search: Given[SearchSettings],
    device: Annotated[
        list[str] | None, typer.Option(help="Whose latency counts, see `vitnas devices`; several times for several.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Run whose supernet judges (default: the newest below runs/, if any).")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="Search this space or its file without training, instead of a run.")
    ] = None,
    fitted: Annotated[
        Path | None, typer.Option(help="Folder of a fitted predictor that judges instead of a supernet, without torch.")
    ] = None,
    latency: Annotated[
        list[str] | None, typer.Option(help="Most that a network may take: 1.5ms, or iphone12=1.5ms for one device.")
    ] = None,
    energy: Annotated[list[str] | None, typer.Option(help="Most energy of one call: 5mJ, or cpu=5mJ.")] = None,
    params: Annotated[str | None, typer.Option(help="Most parameters, such as 6M.")] = None,
    macs: Annotated[str | None, typer.Option(help="Most multiply-accumulates, such as 1.3G.")] = None,
    memory: Annotated[str | None, typer.Option(help="Most memory for activations at their peak, such as 20MB.")] = None,
    size: Annotated[str | None, typer.Option(help="Most memory for weights, such as 24MB.")] = None,
    bitops: Annotated[
        str | None, typer.Option(help="Most multiply-accumulates times the bits of both factors, such as 200G.")
    ] = None,
    compress: Compress = False,
    precision: Precisions = None,
    simulate: Simulate = False,
    warm_start: Annotated[Path | None, typer.Option(help="Earlier front.json, or its folder, to begin with.")] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Arch file or published arch to evaluate in any case; several times.")
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    table: Annotated[
        list[Path] | None, typer.Option(help="Latency table (default: RUN/latency/DEVICE.parquet); several times.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the result (default: RUN/search-DEVICE, with -compressed where --compress is given)."
        ),
    ] = None,
    config: Config = None,
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Search the best networks under your limits.

    Example: vitnas search --device iphone12 --latency 1.5ms
    """
    each = {"latency": latency, "energy": energy}
    limits = search_limits(each, {"params": params, "macs": macs, "memory": memory, "size": size, "bitops": bitops})
    limited = {"limits": limits} if limits else {}

    from vitnas.api.loading import run_of
    from vitnas.api.searching import defaults_for, judge_of
    from vitnas.api.searching import search as search_networks
    from vitnas.api.telling import teller

    if run is not None and space is not None:
        raise SettingsError("--run brings its space; give --run or --space, not both")
    compressed = asked_precisions(compress, precision)
    say = teller(progress=True)
    source = (
        run_of(run, say) if run is not None else given_space(space, image_size, classes, channels) if space else None
    )
    opened, searched = judge_of(source, say, fitted is not None)
    if opened is not None and (image_size or classes or channels):
        raise SettingsError("--image-size, --classes and --channels go with --space; a run has its own")
    if source is None and opened is None:
        searched = given_space(searched.name, image_size, classes, channels)
    found = search_networks(
        opened or searched,
        device or "cpu",
        search.settings(config, limited, defaults_for(opened, fitted is not None)),
        tables=table or (),
        folder=out,
        warm_start=warm_start,
        include=include or (),
        fitted=fitted,
        ray_address=ray_address,
        compress=compressed,
        simulate=simulate,
        progress=True,
    )
    emit_search(found, as_json)
