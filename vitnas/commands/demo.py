"""`vitnas demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder of everything that the demo makes.")] = Path("demo"),
    walk: Annotated[
        bool, typer.Option("--walk", help="Go the long way on digits instead: supernet, table, search, front, export.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="With --walk: Ray workers that evaluate.")] = 2,
) -> None:
    """Find a network for drawn shapes and hold it against a plain vision transformer.

    Interrupted, it goes on where it stopped. Example: vitnas demo --out demo
    """
    from vitnas.demo import run_demo, run_walk

    if walk:
        run_walk(out, workers)
    else:
        run_demo(out)
