"""`vitnas demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder of everything that the demo makes.")] = Path("demo"),
    workers: Annotated[int, typer.Option(min=1, help="Ray workers that evaluate.")] = 2,
) -> None:
    """Walk the whole way on handwritten digits.

    Interrupted, it goes on where it stopped. Example: vitnas demo --out demo
    """
    from vitnas.demo import run_demo

    run_demo(out, workers)
