"""`vitnas report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import given_run


def report(
    folder: Annotated[
        Path | None, typer.Argument(help="Run, search folder or front.json (default: the newest run below runs/).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Page to write (default: report.html in the folder).")] = None,
) -> None:
    """Write one HTML page of all that was found, which works offline.

    Example: vitnas report runs/digits
    """
    from vitnas.reporting.page.html import write_page
    from vitnas.reporting.page.page_data import describe_page

    path = folder if folder is not None else given_run(None).path
    page = out or (path if path.is_dir() else path.parent) / "report.html"
    write_page(describe_page(path), page)
    print(page)
