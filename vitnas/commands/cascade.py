"""`vitnas cascade`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AsJson, Config, Force, RunPath, emit
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.errors import SettingsError
from vitnas.nas.cascades.settings import CascadeSettings


@with_settings(how=Flags(CascadeSettings, names={"rules": "--rule"}))
def cascade(
    how: Given[CascadeSettings],
    run: RunPath = None,
    device: Annotated[str, typer.Option(help="Whose latency counts.")] = "cpu",
    front: Annotated[
        Path | None, typer.Option(help="front.json of a search (default: the newest of the run, if there is one).")
    ] = None,
    arch: Annotated[
        str | None,
        typer.Option(
            help="Stand in for this one: of the front best, most-accurate, fastest, knee, an index or an arch id; without a "
            "front its file or name (default: the best, or the largest arch)."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="A cascade for every arch of the front, and the front of both.")
    ] = False,
    table: Annotated[Path | None, typer.Option(help="Latency table (default: that of the run).")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write (default: cascade.json, or cascade-front.json with --all).")
    ] = None,
    force: Force = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find archs that answer one after the other until one is sure: the depth of the network becomes a matter of the image.

    Example: vitnas cascade --run runs/mine-exits --device cpu --max-drop 0.002
    """
    from vitnas.api.cascades import choosing
    from vitnas.reporting.terminal.cascades import describe_cascades, print_cascade, print_cascades

    settings = how.settings(config)
    if everything and arch is not None:
        raise SettingsError("--all finds a cascade for every arch of the front; leave out --arch")
    file = out or Path("cascade-front.json" if everything else "cascade.json")
    if file.exists() and not force:
        raise SettingsError(f"'{file}' is there already; choose another name with --out, or replace it with --force")
    if everything:
        both = choosing.cascade_front(run, device, settings, front=front, table=table, progress=True)
        both.save(file)
        emit(describe_cascades(both), as_json, print_cascades)
    else:
        found = choosing.cascade(run, device, settings, arch=arch, front=front, table=table, progress=True)
        found.save(file)
        emit(found.to_json(), as_json, print_cascade)
    if not as_json:
        print(f"written to {file}")
