"""`vitnas search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AsJson, Config, RunPath, emit
from vitnas.quantities import parse_count, parse_ms


def search(
    run: RunPath,
    device: Annotated[str, typer.Option(help="Whose latency counts; it needs a table, see `vitnas profile`.")] = "cpu",
    latency: Annotated[str | None, typer.Option(help="Most that a network may take, such as 1.5ms.")] = None,
    params: Annotated[str | None, typer.Option(help="Most parameters, such as 6M.")] = None,
    macs: Annotated[str | None, typer.Option(help="Most multiply-accumulates, such as 1.3G.")] = None,
    evaluations: Annotated[int | None, typer.Option(help="Archs to evaluate for real.")] = None,
    workers: Annotated[int | None, typer.Option(help="Ray workers; 1 stays in this process. Same result.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same front.")] = None,
    table: Annotated[Path | None, typer.Option(help="Latency table (default: RUN/latency/DEVICE.parquet).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result (default: RUN/search-DEVICE).")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Search the best networks under your limits.

    Example: vitnas search --run runs/digits --latency 0.4ms
    """
    from vitnas.nas.run_search import search_run
    from vitnas.nas.settings import SearchSettings
    from vitnas.reporting.fronts import describe_front, print_front
    from vitnas.run import RunFolder
    from vitnas.settings import read_settings

    limits = {
        "latency_ms": parse_ms(latency, "--latency") if latency else None,
        "num_params": parse_count(params, "--params") if params else None,
        "macs": parse_count(macs, "--macs") if macs else None,
    }
    given = {name: most for name, most in limits.items() if most is not None}
    flags = {"limits": given or None, "evaluations": evaluations, "workers": workers, "seed": seed}
    settings = read_settings(SearchSettings, config, "search", flags)
    opened = RunFolder.open(run)
    front = search_run(opened, device, settings, table_file=table, folder=out, ray_address=ray_address)
    emit(describe_front(front), as_json, print_front)
    if not as_json:
        print(f"written to {out or opened.path / f'search-{device}'}/front.json")
