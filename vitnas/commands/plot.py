"""`vitnas plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.files import read_json


def plot(
    files: Annotated[list[Path], typer.Argument(help="front.json files to compare, or one arch file to draw.")],
    out: Annotated[Path, typer.Option(help="Picture to write, .png or .svg.")] = Path("front.png"),
    title: Annotated[str, typer.Option(help="Above the picture.")] = "",
    space: Annotated[
        str | None, typer.Option(help="File of the space, when an arch is of a space of your own.")
    ] = None,
) -> None:
    """Draw Pareto fronts, or the layers of one arch.

    Example: vitnas plot run/search-cpu/front.json
    """
    from vitnas.nas.pareto import ParetoFront
    from vitnas.reporting.pareto_plot import plot_fronts

    data = read_json(files[0])
    if len(files) == 1 and isinstance(data, dict) and set(data) == {"space", "genes"}:
        from vitnas.reporting.diagram import draw_blueprint
        from vitnas.search_spaces import Arch, load_space

        arch = Arch.from_json(data)
        found = load_space(space or arch.space)
        draw_blueprint(found.lower(found.check(arch)), [out], title or str(arch.id))
    else:
        names = [path.stem if len(files) == 1 else str(path.parent) for path in files]
        tables = {name: path.with_name("evaluations.parquet") for name, path in zip(names, files, strict=True)}
        plot_fronts(
            {name: ParetoFront.load(path) for name, path in zip(names, files, strict=True)},
            [out],
            evaluated={name: table for name, table in tables.items() if table.is_file()},
            title=title,
        )
    print(out)
