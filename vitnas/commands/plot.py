"""`vitnas plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def plot(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Runs, search folders, front.json files, a latency table, a predictor or an arch."),
    ] = None,
    what: Annotated[
        str | None,
        typer.Option(help="front, hypervolume, genes, fidelity, predictor or arch; default: what the file shows best."),
    ] = None,
    out: Annotated[
        list[Path] | None, typer.Option(help="Picture to write, .png or .svg (default: WHAT.png); several times.")
    ] = None,
    title: Annotated[str, typer.Option(help="Above the picture.")] = "",
    baselines: Annotated[
        Path | None, typer.Option(help="CSV or JSON of other networks to mark: name, accuracy, latency_ms ...")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="File of the space, when an arch is of a space of your own.")
    ] = None,
) -> None:
    """Draw fronts, their growth and genes, the error of a table or predictor, or the layers of an arch.

    Example: vitnas plot runs/digits --what genes
    """
    from vitnas.api.showing import plot

    for picture in plot(files, what, out=out or (), title=title, baselines=baselines, space=space, progress=True):
        print(picture)
