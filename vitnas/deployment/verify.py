"""Verifying an export again, later or on another machine, from nothing but its folder and the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitnas.deployment.exporters import EXPORTERS
from vitnas.deployment.exporters.exporter import size_bytes
from vitnas.deployment.latency import devices_here, measured_ms
from vitnas.deployment.verification import Parity, answers, at_size, compare, first_line
from vitnas.errors import DataError, ExportError
from vitnas.latency_lut.runtimes.saturation import FULL_BITS
from vitnas.run import processor
from vitnas.search_spaces import Task
from vitnas.settings import make_settings
from vitnas.supernets.data import DATASETS, Dataset, DataSettings, load_dataset
from vitnas.supernets.exported import REPORT, read_report, rebuild


def images_for(report: Mapping[str, Any], data: str | None) -> Dataset:
    """The images of an export: from a place that is told, or by name where the data set is built in."""
    name = data or report["dataset"]
    if data is None and name not in DATASETS:
        raise ExportError(
            f"the network was checked on images of '{name}', which vitnas cannot find by itself; say where they are with "
            "--data, or name the run with --run"
        )
    task, norm = report["task"], report["normalisation"]
    size, channels = task["image_size"], task["in_channels"]
    mean, std = tuple(norm["mean"]), tuple(norm["std"])
    return load_dataset(DataSettings(name, image_size=size, in_channels=channels, mean=mean, std=std))


def verify(
    folder: Path,
    dataset: Dataset,
    *,
    devices: Sequence[str] = (),
    measure: bool = True,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Compares every artefact of a folder with the network that its weights make; refuses what breaks its limits.

    Args:
        folder: of one network, as `export` writes it.
        dataset: the images of the task; its validation images decide.
        devices: where the network is timed, besides the devices of the report that are here.
        measure: whether it is timed at all.
        progress: told every step.

    Returns:
        What is found here under the keys of the report: arch_id, formats with their parity, size, whether their
        limits hold, and a warning where int8 sums saturate on this processor, predicted_latency_ms as the export said it, measured_latency_ms, processor.
    """
    say = progress or (lambda step: None)
    report = read_report(folder)
    predicted, once = report["predicted_latency_ms"], report["measured_latency_ms"]
    timers = devices_here(devices, [*predicted, *once]) if measure else []
    task = make_settings(Task, report["task"], f"'{folder / REPORT}', task")
    if dataset.task != task:
        raise DataError(
            f"'{folder}' is for {task}, dataset '{dataset.name}' for {dataset.task}; give images of that task"
        )
    blueprint, network = rebuild(folder, report)
    num_images = max([found["num_images"] for found in report["formats"].values()], default=1)
    x, labels = dataset.val.first(num_images)
    x = at_size(x, blueprint)
    expected = answers(network, x)
    found: dict[str, dict[str, Any]] = {}
    broken = []
    for name, told in report["formats"].items():
        say(f"verifying {report['arch_id']} as {name}")
        exporter = EXPORTERS.load(name)()
        path = folder / told["file"]
        if not path.exists():
            raise ExportError(f"'{path}' is gone; export the network anew")
        try:
            parity: Parity = compare(expected, exporter.run(path, x), labels)
        except Exception as error:  # runtimes raise whatever they like
            raise ExportError(
                f"'{path}' cannot be run here: {first_line(error)}; see whether it was changed, and whether its runtime is installed"
            ) from error
        breaches = parity.breaches(exporter.limits)
        saturated = exporter.saturated(
            told.get("int8", {}).get("bits", FULL_BITS)
        )  # all had 8 before it was written down
        broken += [f"{name}: {breach}" + (f" ({saturated})" if saturated else "") for breach in breaches]
        found[name] = {**asdict(parity), "size_bytes": size_bytes(path), "hold": not breaches, "warning": saturated}
    if broken:
        raise ExportError(f"'{folder}' does not answer as its weights do: {'; '.join(broken)}; export the network anew")
    if timers:
        say(f"measuring {report['arch_id']}")
    return {
        "arch_id": report["arch_id"],
        "formats": found,
        "predicted_latency_ms": predicted,
        "measured_latency_ms": measured_ms(blueprint, timers),
        "processor": processor(),
    }
