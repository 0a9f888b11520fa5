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
    from vitnas.reporting.plots.comparison import describe_comparison, print_comparison
    from vitnas.reporting.plots.pictures import PlotRequest, draw, named_results

    found = describe_comparison(named_results(files))
    if out is not None:
        draw("front", PlotRequest(files, [out]))
    emit(found, as_json, print_comparison)
    if out is not None and not as_json:
        print(f"\n{out}")
