"""`vitnas exits`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import Config, RunPath
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.supernets.settings.exits import ExitSettings


@with_settings(how=Flags(ExitSettings))
def exits(
    how: Given[ExitSettings],
    out: Annotated[Path, typer.Option(help="Folder of the run with exits.")],
    run: RunPath = None,
    config: Config = None,
) -> None:
    """Give a trained run heads at earlier depths, for cascades; its blocks stay as they are, so it takes minutes.

    Example: vitnas exits --run runs/mine --at 2,4 --out runs/mine-exits
    """
    from vitnas.api.cascades.exits import add_exits

    add_exits(run, out, how.settings(config), progress=True)
    print(f"next: `vitnas profile --run {out} --device cpu`, then `vitnas cascade --run {out} --device cpu`")
