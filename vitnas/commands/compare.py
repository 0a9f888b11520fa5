"""`vitnas compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AsJson, emit


def compare(
    files: Annotated[
        list[Path], typer.Argument(help="Runs, search folders or front.json files, the first to begin with.")
    ],
    out: Annotated[Path | None, typer.Option(help="Draw the fronts into this .png or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare searches or devices: fronts, hypervolume, and what changed.

    Example: vitnas compare runs/digits/search-cpu runs/other/search-cpu
    """
    from vitnas.api.showing import compare, plot
    from vitnas.reporting.plots.comparison import print_comparison

    found = compare(files)
    if out is not None:
        plot(files, "front", out=[out])
    emit(found, as_json, print_comparison)
    if out is not None and not as_json:
        print(f"\n{out}")
