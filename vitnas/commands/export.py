"""`vitnas export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vitnas.commands.options import Config, Force, RunPath
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SettingsError


@with_settings(
    export=Flags(ExportSettings, names={"formats": "--format", "devices": "--device", "loggers": "--logger"})
)
def export(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    export: Given[ExportSettings],
    run: RunPath = None,
    arch: Annotated[str | None, typer.Option(help="Arch file, or the name of a published arch.")] = None,
    front: Annotated[Path | None, typer.Option(help="front.json of a search.")] = None,
    pick: Annotated[
        str, typer.Option(help="Of the front: best, most-accurate, fastest, knee, an index or an arch id.")
    ] = "best",
    everything: Annotated[bool, typer.Option("--all", help="Every arch of the front, a folder each.")] = False,
    cascade: Annotated[
        Path | None, typer.Option(help="cascade.json of `vitnas cascade`: a file a part, and a runner.")
    ] = None,
    table: Annotated[
        list[Path] | None,
        typer.Option(help="Table of a device that tells how fast the machine was; default: those of the run."),
    ] = None,
    force: Force = False,
    config: Config = None,
) -> None:
    """Write a subnet as files that run, check them, and say so on a model card.

    Example: vitnas export --run R --front F --format onnx,coreml --out best
    """
    from vitnas.api import exporting
    from vitnas.reporting.terminal.exports import print_export
    from vitnas.supernets.weights.exported import exported_folders, read_report

    if [arch, front, cascade].count(None) != 2:
        raise SettingsError("say what to export: --arch FILE, or --front FILE, or --cascade FILE, and only one of them")
    if everything and front is None:
        raise SettingsError("--all exports every arch of a front; give it with --front FILE")
    settings = export.settings(config)
    if cascade is not None:
        from vitnas.api.cascades.exporting import export_cascade
        from vitnas.reporting.terminal.cascades import print_parts

        if table:
            raise SettingsError("--table is for one network; the milliseconds of a cascade are those of its file")
        print_parts(out, export_cascade(run, cascade, out, settings, force=force, progress=True))
        return
    how: dict[str, Any] = {"tables": table or (), "force": force, "progress": True}
    if everything:
        assert front is not None
        reports = exporting.export_all(run, front, out, settings, **how)
    else:
        reports = [exporting.export(run, arch or pick, out, settings, front=front, **how)]
        if reports[0]["chosen"]:
            print(f"arch {reports[0]['arch_id']} is {reports[0]['chosen']}")
    for folder, report in zip(exported_folders(out, read_report(out)), reports, strict=True):
        print_export(folder, report)
    print(f"all artefacts agree with their network; check them again with `vitnas verify {out}`")
