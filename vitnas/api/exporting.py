"""Exporting archs as files that run, and verifying them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitnas.api.archs import OneArch
from vitnas.api.loading import load_arch, load_front, run_of
from vitnas.api.telling import step_teller, teller
from vitnas.deployment import export as exporting
from vitnas.deployment import verify as verifying
from vitnas.deployment.exporters.choose import choose_exporters
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SettingsError
from vitnas.files import read_json
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.reporting.picks import chosen_text
from vitnas.reporting.terminal.exports import draw, predictions
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace, as_named
from vitnas.supernets.data import dataset_of
from vitnas.supernets.weights.checkpoints import load_supernet
from vitnas.supernets.weights.exported import exported_folders, read_report

Report = dict[str, Any]
"""What `report.json` of an export holds."""


def export(
    run: RunFolder | str | Path | None,
    arch: OneArch,
    out: str | Path,
    settings: ExportSettings | None = None,
    *,
    front: ParetoFront | str | Path | None = None,
    tables: Sequence[str | Path] = (),
    force: bool = False,
    progress: bool = False,
) -> Report:
    """Writes the network of an arch as files that run, checks them, and says so on a model card.

    Args:
        run: whose weights; None takes the newest run below ``runs/``.
        arch: the arch, its file or its published name; with a front also "best", "most-accurate", "fastest", "knee",
            an index or an arch id.
        out: the folder to write.
        settings: formats, and how they are checked.
        front: that the arch comes from; its predicted latencies are compared with measurements.
        tables: tables of devices that tell how fast the machine was; by default those of the run.
        force: replaces an earlier export.
        progress: prints every step to standard error.

    Returns:
        What report.json holds.
    """
    settings = settings or ExportSettings()
    choose_exporters(settings)  # refuses what cannot be written here before anything is loaded
    opened = run_of(run, teller(progress))
    latencies, chosen = {}, None
    if front is None:
        space = as_named(opened.space, _space_name(arch))
        wanted = load_arch(space, arch)
    else:
        loaded, space = _front(front, opened.space)
        point = _point(loaded, arch, space)
        wanted, latencies = point.arch, predictions(loaded, point)
        chosen = chosen_text(loaded, str(arch), point)
    return exporting.export(
        space,
        load_supernet(opened),
        wanted,
        dataset_of(opened),
        Path(out),
        settings,
        force=force,
        run=opened,
        latency_ms=latencies,
        tables=_by_device(tables),
        chosen=chosen,
        draw=draw,
        progress=step_teller(progress),
    )


def export_all(
    run: RunFolder | str | Path | None,
    front: ParetoFront | str | Path,
    out: str | Path,
    settings: ExportSettings | None = None,
    *,
    tables: Sequence[str | Path] = (),
    force: bool = False,
    progress: bool = False,
) -> list[Report]:
    """`export` for every arch of a front, a folder each; all are written, or none.

    Args:
        run: whose weights; None takes the newest run below ``runs/``.
        front: the archs.
        out: the folder of all.
        settings: formats, and how they are checked.
        tables: tables of devices that tell how fast the machine was; by default those of the run.
        force: replaces an earlier export.
        progress: prints every step to standard error.
    """
    settings = settings or ExportSettings()
    choose_exporters(settings)
    opened = run_of(run, teller(progress))
    loaded, space = _front(front, opened.space)
    return exporting.export_all(
        space,
        load_supernet(opened),
        [point.arch for point in loaded.points],
        dataset_of(opened),
        Path(out),
        settings,
        force=force,
        run=opened,
        latency_ms=[predictions(loaded, point) for point in loaded.points],
        tables=_by_device(tables),
        draw=draw,
        progress=step_teller(progress),
    )


def verify(
    folder: str | Path,
    data: str | Path | None = None,
    *,
    val: str | Path | None = None,
    test: str | Path | None = None,
    run: RunFolder | str | Path | None = None,
    accuracy_images: int | None = None,
    devices: Sequence[str] = (),
    measure: bool = True,
    torch_device: str = "auto",
    progress: bool = False,
) -> dict[str, Report]:
    """Compares the artefacts of an export with their network, and its accuracy and latencies, again, here and now.

    Args:
        folder: as `export` or `export_all` wrote it.
        data: the images; a data set by name needs none.
        val: their validation images, if the training named a place.
        test: their test images, if the training named a place.
        run: takes the images of this run instead.
        accuracy_images: tells accuracy on a sample of so many images of a split; None takes all.
        devices: where the network is timed, besides the devices of its report that are here.
        measure: whether it is timed at all.
        torch_device: where the accuracy of the network is taken; "auto" takes a GPU if there is one.
        progress: prints every step to standard error.

    Returns:
        For each network its folder and what was found, under the keys of report.json.
    """
    if run is not None and any(place is not None for place in (data, val, test)):
        raise SettingsError("run says which images, as do data, val and test; give one or the others")
    found = {}
    for part in exported_folders(Path(folder), read_report(Path(folder))):
        if run is not None:
            dataset = dataset_of(run_of(run, teller(progress)))
        else:
            dataset = verifying.images_for(read_report(part), *map(_text, (data, val, test)))
        found[str(part)] = verifying.verify(
            part,
            dataset,
            accuracy_images=accuracy_images,
            devices=devices,
            measure=measure,
            torch_device=torch_device,
            progress=step_teller(progress),
        )
    return found


def _front(front: ParetoFront | str | Path, space: SearchSpace) -> tuple[ParetoFront, SearchSpace]:
    """A front and the space of its archs, which is the run's or a compressed one over it."""
    if isinstance(front, ParetoFront):
        return front, as_named(space, front.space)
    found = load_front(front)
    space = as_named(space, found.space)
    found.check(space, Path(front))
    return found, space


def _space_name(arch: OneArch) -> str:
    """The space that an arch names, or its file does."""
    if isinstance(arch, Arch):
        return arch.space
    return Arch.from_json(read_json(Path(arch))).space if Path(arch).is_file() else ""


def _point(front: ParetoFront, arch: OneArch, space: SearchSpace) -> Point:
    """The point of a pick or of an arch."""
    return front.pick(arch if isinstance(arch, str) else load_arch(space, arch).id)


def _by_device(tables: Sequence[str | Path]) -> Mapping[str, Path]:
    return {LatencyTable.read(Path(path)).header.device: Path(path) for path in tables}


def _text(place: str | Path | None) -> str | None:
    return None if place is None else str(place)
