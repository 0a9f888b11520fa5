"""`vitnas fuse`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import Config, Force, RunPath
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.deployment.settings import ExportSettings


@with_settings(exporting=Flags(ExportSettings, names={"formats": "--format"}, only=("formats",)))
def fuse(
    arch: Annotated[
        list[str],
        typer.Option(
            help="Twice: an arch of the run by its file or published name, the file of an arch in another run, or the folder of an export."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write, which --init takes.")],
    exporting: Given[ExportSettings],
    run: RunPath = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="What the second network counts for.")] = 0.5,
    force: Force = False,
    config: Config = None,
) -> None:
    """Average two networks of a space, once the channels of one are aligned to those of the other: a beginning for a training.

    Example: vitnas fuse --run runs/mine --arch best --arch knee --out fused
    """
    from vitnas.api.models import fuse as fuse_archs
    from vitnas.reporting.terminal.exports import print_export

    report = fuse_archs(run, arch, out, exporting.settings(config), share=share, force=force, progress=True)
    print(f"arch {report['arch_id']} is {report['chosen']}")
    print_export(out, report)
