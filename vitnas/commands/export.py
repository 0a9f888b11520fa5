"""`vitnas export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import Config, Force, RunPath, given_arch, given_run
from vitnas.errors import SettingsError


def export(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    run: RunPath = None,
    arch: Annotated[str | None, typer.Option(help="Arch file, or the name of a published arch.")] = None,
    front: Annotated[Path | None, typer.Option(help="front.json of a search.")] = None,
    pick: Annotated[str, typer.Option(help="Of the front: knee, fastest, best, an index or an arch id.")] = "knee",
    everything: Annotated[bool, typer.Option("--all", help="Every arch of the front, a folder each.")] = False,
    formats: Annotated[str | None, typer.Option("--format", help="Formats, separated by commas: onnx.")] = None,
    force: Force = False,
    config: Config = None,
) -> None:
    """Write a subnet as files that run, and check them.

    Example: vitnas export --run R --front F --out knee
    """
    from vitnas.deployment.export import ExportSettings, export_all
    from vitnas.deployment.export import export as write
    from vitnas.nas.pareto import ParetoFront
    from vitnas.settings import read_settings
    from vitnas.supernets.checkpoints import load_supernet
    from vitnas.supernets.data import dataset_of

    if (arch is None) == (front is None):
        raise SettingsError("say what to export: --arch FILE, or --front FILE, but not both")
    if everything and front is None:
        raise SettingsError("--all exports every arch of a front; give it with --front FILE")
    opened = given_run(run)
    wanted = formats.split(",") if formats else None
    settings = read_settings(ExportSettings, config, "export", {"formats": wanted})
    latencies: list[dict[str, float]] = [{}]
    if front is not None:
        loaded = ParetoFront.load(front, opened.space)
        points = list(loaded.points) if everything else [loaded.pick(pick)]
        archs = [point.arch for point in points]
        device = loaded.config.get("origin", {}).get("device", "device")
        latencies = [{device: p.objectives["latency_ms"]} if "latency_ms" in p.objectives else {} for p in points]
    else:
        assert arch is not None
        archs = [given_arch(opened.space, arch)]
    supernet, dataset = load_supernet(opened), dataset_of(opened)
    if everything:
        export_all(opened.space, supernet, archs, dataset, out, settings, force=force, latency_ms=latencies)
        print(f"{out}: {len(archs)} networks, each with its report.json")
        return
    report = write(opened.space, supernet, archs[0], dataset, out, settings, force=force, latency_ms=latencies[0])
    for name, found in report["formats"].items():
        print(
            f"{out / found['file']}: {name}, accuracy {found['accuracy_after']:.1%}, "
            f"differs from the supernet by {found['max_difference']:.1e} at most"
        )
