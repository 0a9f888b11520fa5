"""`vitnas export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vitnas.commands.options import Config, Force, RunPath, given_arch, given_run, say_step
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SettingsError


@with_settings(export=Flags(ExportSettings, names={"formats": "--format", "devices": "--device"}))
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
    from vitnas.deployment.agreement import Predicted
    from vitnas.deployment.export import export as write
    from vitnas.deployment.export import export_all
    from vitnas.deployment.exporters.choose import choose_exporters
    from vitnas.latency_lut.table import LatencyTable
    from vitnas.nas.pareto import ParetoFront
    from vitnas.reporting.picks import chosen_text
    from vitnas.reporting.terminal.exports import draw, predictions, print_export
    from vitnas.supernets.data import dataset_of
    from vitnas.supernets.weights.checkpoints import load_supernet
    from vitnas.supernets.weights.exported import exported_folders, read_report

    if (arch is None) == (front is None):
        raise SettingsError("say what to export: --arch FILE, or --front FILE, but not both")
    if everything and front is None:
        raise SettingsError("--all exports every arch of a front; give it with --front FILE")
    opened = given_run(run)
    settings = export.settings(config)
    choose_exporters(settings)  # refuses what cannot be written here before anything is loaded
    latencies: list[dict[str, Predicted]] = [{}]
    chosen = None
    if front is not None:
        loaded = ParetoFront.load(front, opened.space)
        points = list(loaded.points) if everything else [loaded.pick(pick)]
        archs = [point.arch for point in points]
        if not everything:
            chosen = chosen_text(loaded, pick, points[0])
            print(f"arch {archs[0].id} is {chosen}")
        latencies = [predictions(loaded, point) for point in points]
    else:
        assert arch is not None
        archs = [given_arch(opened.space, arch)]
    supernet, dataset = load_supernet(opened), dataset_of(opened)
    tables = {LatencyTable.read(path).header.device: path for path in table or ()}
    how: dict[str, Any] = {"force": force, "run": opened, "tables": tables, "draw": draw, "progress": say_step}
    if everything:
        reports = export_all(opened.space, supernet, archs, dataset, out, settings, latency_ms=latencies, **how)
    else:
        reports = [
            write(
                opened.space, supernet, archs[0], dataset, out, settings, latency_ms=latencies[0], chosen=chosen, **how
            )
        ]
    for folder, report in zip(exported_folders(out, read_report(out)), reports, strict=True):
        print_export(folder, report)
    print(f"all artefacts agree with their network; check them again with `vitnas verify {out}`")
