"""Verifying an export again, later or on another machine, from nothing but its folder and the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from vitnas.deployment.accuracies import accuracies
from vitnas.deployment.agreement import Agreement
from vitnas.deployment.compressed.limits import limits_at
from vitnas.deployment.compressed.network import Reference, read_executed
from vitnas.deployment.compressed.proof import proof_of
from vitnas.deployment.compressed.qdq import precisions_of
from vitnas.deployment.exporters import EXPORTERS
from vitnas.deployment.exporters.exporter import size_bytes
from vitnas.deployment.folding import fold
from vitnas.deployment.judged import metric_in
from vitnas.deployment.latency import Then, compare_latencies, devices_here
from vitnas.deployment.latency_report import describe, told_by
from vitnas.deployment.verification import Parity, answers, at_size, compare, first_line
from vitnas.errors import DataError, ExportError
from vitnas.files import as_listed
from vitnas.latency_lut.devices import Device
from vitnas.latency_lut.runtimes.saturation import FULL_BITS
from vitnas.run import processor
from vitnas.search_spaces import Blueprint, Task
from vitnas.search_spaces.answers import CLASS
from vitnas.settings import make_settings
from vitnas.supernets.data import DATASETS, Dataset, DataSettings, load_dataset
from vitnas.supernets.data.splits import Division
from vitnas.supernets.torch_device import describe_device, find_device
from vitnas.supernets.weights.exported import REPORT, read_report, rebuild

SPLITS = {"val": "validation", "test": "test"}


def images_for(report: Mapping[str, Any], data: str | None, val: str | None = None, test: str | None = None) -> Dataset:
    """The images of an export: from a place that is told, or by name where the data set is built in.

    They are divided as they were for the training, so that none that was learnt from judges.
    """
    name = data or report["dataset"]
    if data is None and name not in DATASETS:
        raise ExportError(
            f"the network was checked on images of '{name}', which vitnas cannot find by itself; say where they are with "
            "--data, or name the run with --run"
        )
    task, norm = report["task"], report["normalisation"]
    size, channels = task["image_size"], task["in_channels"]
    mean, std = tuple(norm["mean"]), tuple(norm["std"])
    division = report.get("division", Division().told())
    for split, place in (("val", val), ("test", test)):
        if division[split] and place is None:
            raise ExportError(
                f"the {SPLITS[split]} images of '{report['dataset']}' lay in a place of their own, and without them others "
                f"would be held back from those of the training; say where they are with --{split}, or name the run with --run"
            )
    how = {key: division[key] for key in ("val_share", "test_share", "seed", "decoder", "fit") if key in division}
    if test is not None and not how["test_share"]:
        how["test_share"] = None
    values = {"name": name, "val": val, "test": test, "image_size": size, "in_channels": channels, **how}
    values["answer"] = task.get("answer", CLASS)
    return load_dataset(make_settings(DataSettings, {**values, "mean": mean, "std": std}, f"'{REPORT}', division"))


def verify(
    folder: Path,
    dataset: Dataset,
    *,
    accuracy_images: int | None = None,
    devices: Sequence[str] = (),
    measure: bool = True,
    torch_device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Compares every artefact of a folder with the network that its weights make; refuses what breaks its limits.

    Args:
        folder: of one network, as `export` writes it.
        dataset: the images of the task; its validation images decide, its test images testify.
        accuracy_images: so many of either tell the accuracy of the network; None takes all.
        devices: where the network is timed, besides the devices of the report that are here.
        measure: whether it is timed at all.
        torch_device: where the accuracy of the network is taken.
        progress: told every step.

    Returns:
        What is found here under the keys of the report: arch_id, accuracy and what it was judged on, compression of a network with
        precisions, formats with their parity, size, whether
        their limits hold, and a warning where int8 sums saturate on this processor, predicted_latency_ms as the export
        said it, measured_latency_ms, latency with both side by side, processor.
    """
    say, device = progress or (lambda step: None), find_device(torch_device)
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
    x, truth = dataset.val.sample(num_images).all()
    x = at_size(x, blueprint)
    compression, in_float = None, None
    if told := report.get("compression"):
        folded = fold(network, torch.zeros(2, *blueprint.in_shape))
        in_float = answers(folded, x)
        low = Reference.of(folded, read_executed(folder / told["file"]))
        compression = low.report(told["level"], (x, in_float, truth), task.answer)
        network = low.network
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
            parity: Parity = compare(expected, exporter.run(path, x), truth, task.answer)
        except Exception as error:  # runtimes raise whatever they like
            raise ExportError(
                f"'{path}' cannot be run here: {first_line(error)}; see whether it was changed, and whether its runtime is installed"
            ) from error
        strays = exporter.strays(path, network) if precisions_of(network) else {}
        limits = exporter.limits if in_float is None else limits_at(exporter.limits, in_float, expected)
        breaches = parity.breaches(limits)
        breaches += [f"layer '{site}': {reason}" for site, reason in strays.items()]
        # Before the range was recorded, all weights had 8 bits.
        saturated = exporter.saturated(told.get("int8", {}).get("bits", FULL_BITS if exporter.quantises else 0))
        broken += [f"{name}: {breach}" + (f" ({saturated})" if saturated else "") for breach in breaches]
        if not as_listed(path):
            broken.append(f"{name}: '{told['file']}' is not what was exported, it was changed or damaged since")
        found[name] = {**parity.to_json(), "size_bytes": size_bytes(path), "hold": not breaches, "warning": saturated}
        if precisions_of(network):
            found[name] |= {"layers": proof_of(network, strays), "latency_ms": exporter.latency_ms(path, x[:1])}
    if broken:
        raise ExportError(f"'{folder}' does not answer as its weights do: {'; '.join(broken)}; export the network anew")
    say(f"judging {report['arch_id']}")
    accuracy = accuracies(network, dataset, accuracy_images, device=device)
    if timers:
        say(f"measuring {report['arch_id']}")
    latencies = _latencies(report, blueprint, timers, measure, say)
    return {
        "arch_id": report["arch_id"],
        **({"metric": metric_in(report)} if "metric" in report else {}),
        metric_in(report): accuracy,
        "judged_on": describe_device(device),
        "compression": compression,
        "formats": found,
        "predicted_latency_ms": predicted,
        "measured_latency_ms": {name: one.reading.raw_ms for name, one in latencies.items() if one.reading is not None},
        "latency": {name: describe(one) for name, one in latencies.items()},
        "processor": processor(),
    }


def _latencies(
    report: Mapping[str, Any], blueprint: Blueprint, timers: Sequence[Device], measure: bool, say: Callable[[str], None]
) -> dict[str, Agreement]:
    """Of the network now, at the speed of the sitting that the export recorded."""
    names = [*report["predicted_latency_ms"], *report["measured_latency_ms"], *(device.name for device in timers)]
    told = {name: told_by(report, name) for name in dict.fromkeys(names)}
    predicted = {name: one for name, (one, _) in told.items() if one is not None}
    old = "the export did not record what a reference took" + (
        "" if "latency" in report else ", as it is of an older vitnas"
    )
    then = {name: Then(sitting, "" if sitting is not None else old) for name, (_, sitting) in told.items()}
    return compare_latencies(blueprint, timers, predicted, then, measure, say)
