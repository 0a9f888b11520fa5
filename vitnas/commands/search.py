"""`vitnas search`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import (
    RUNS,
    AsJson,
    Channels,
    Classes,
    Config,
    ImageSize,
    emit,
    given_arch,
    given_space,
)
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.errors import SettingsError
from vitnas.interruption import going_on
from vitnas.nas.quantity import Quantity
from vitnas.nas.settings import SearchSettings
from vitnas.quantities import parse_bytes, parse_count, parse_mj, parse_ms

DEFAULT_SPACE = "efficientformerv2"
"""What is searched where nothing says what: published for phones, and it stays on their neural engines."""
UNTRAINED = {"evaluations": 80, "initial": 8, "batch": 12}
"""Settings of a search without training unless others are given: a proxy takes seconds an arch."""


@with_settings(
    search=Flags(SearchSettings, names={"objectives": "--objective", "seconds": "--time"}, without=("limits",))
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
    size: Annotated[str | None, typer.Option(help="Most memory for weights, in fp32, such as 24MB.")] = None,
    warm_start: Annotated[Path | None, typer.Option(help="Earlier front.json, or its folder, to begin with.")] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Arch file or published arch to evaluate in any case; several times.")
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    table: Annotated[
        list[Path] | None, typer.Option(help="Latency table (default: RUN/latency/DEVICE.parquet); several times.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result (default: RUN/search-DEVICE).")] = None,
    config: Config = None,
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Search the best networks under your limits.

    Example: vitnas search --device iphone12 --latency 1.5ms
    """
    limits: dict[str, float] = {}
    for flag, quantity, values, parse in (
        ("--latency", "latency_ms", latency, parse_ms),
        ("--energy", "energy_mj", energy, parse_mj),
    ):
        limits |= dict(_limit(flag, quantity, value, parse) for value in values or ())
    counts: tuple[tuple[str, str, str | None, Callable[[str, str], float]], ...] = (
        ("--params", "num_params", params, parse_count),
        ("--macs", "macs", macs, parse_count),
        ("--memory", "activation_bytes", memory, parse_bytes),
        ("--size", "weight_bytes", size, parse_bytes),
    )
    limits |= {quantity: parse(value, flag) for flag, quantity, value, parse in counts if value is not None}
    limited = {"limits": limits} if limits else {}

    from vitnas.nas.run_search import SearchRequest, start_search
    from vitnas.reporting.terminal.fronts import describe_search, plot_search, print_search
    from vitnas.run import RunFolder, newest_run
    from vitnas.settings import read_toml

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    if run is not None and space is not None:
        raise SettingsError("--run brings its space; give --run or --space, not both")
    settings = search.settings(config, limited)
    opened = RunFolder.open(run) if run is not None else None
    if opened is None and space is None:
        opened = newest_run(RUNS)
        say(
            f"judged by {'the predictor in the space' if fitted else 'the supernet'} of '{opened.path}', the newest run below {RUNS}/"
            if opened is not None
            else f"no trained run below {RUNS}/: searching space '{DEFAULT_SPACE}'{'' if fitted else ' without training'}"
        )
    if opened is not None and (image_size or classes or channels):
        raise SettingsError("--image-size, --classes and --channels go with --space; a run has its own")
    found_space = None
    if opened is None:
        found_space = given_space(space or DEFAULT_SPACE, image_size, classes, channels)
        told = (read_toml(config) if config is not None else {}).get("search", {})
        assumed = {name: value for name, value in UNTRAINED.items() if name not in told and fitted is None}
        settings = search.settings(config, assumed | limited)
    searched = opened.space if opened is not None else found_space
    assert searched is not None
    request = SearchRequest(
        tuple(device or ["cpu"]),
        opened,
        found_space,
        tuple(table or ()),
        out,
        warm_start,
        tuple(given_arch(searched, text) for text in include or ()),
        ray_address,
        fitted,
    )
    with going_on("the archs evaluated so far are kept; the same command goes on"):
        found = start_search(request, settings, say)
    plot_search(found)
    emit(describe_search(found), as_json, print_search)
    if not as_json:
        print(f"written to {found.folder}")


def _limit(flag: str, quantity: str, text: str, parse: Callable[[str, str], float]) -> tuple[str, float]:
    """``1.5ms`` on every device, or ``iphone12=1.5ms`` on one."""
    device, equals, value = text.rpartition("=")
    return str(Quantity(quantity, device if equals else None)), parse(value, flag)
