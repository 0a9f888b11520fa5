"""`vitnas dashboard`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from vitnas.interruption import going_on


def dashboard(
    folder: Annotated[
        Path | None, typer.Argument(help="Run or search folder (default: the newest run below runs/).")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; 0 takes any that is free.")] = 0,
    optuna: Annotated[
        bool, typer.Option("--optuna", help="Start and link Optuna's dashboard too, which asks for no token.")
    ] = False,
) -> None:
    """Serve the report while a search is at work, to this machine alone; Ctrl+C ends it.

    Example: vitnas dashboard runs/digits
    """
    from vitnas.api.showing import path_of
    from vitnas.reporting.page.dashboard import Dashboard, optuna_dashboard

    path = path_of(folder, progress=True)
    with ExitStack() as stack:
        links = {"Optuna dashboard": stack.enter_context(optuna_dashboard(path))} if optuna else {}
        server = stack.enter_context(Dashboard(path, port, links))
        server.describe()  # what cannot be read is told here, and the first page comes at once
        print(server.url, flush=True)
        with going_on("it served nothing but what is in the folder"):
            server.serve_forever()
