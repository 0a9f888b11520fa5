"""`vitnas report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[
        Path | None, typer.Argument(help="Run, search folder or front.json (default: the newest run below runs/).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Page to write (default: report.html in the folder).")] = None,
) -> None:
    """Write one HTML page of all that was found, which works offline.

    Example: vitnas report runs/digits
    """
    from vitnas.api.showing import report

    print(report(folder, out, progress=True))
