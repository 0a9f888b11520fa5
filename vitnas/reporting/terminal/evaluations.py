"""How good archs are on the weights of a run, and what they cost: as data and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vitnas.latency_lut.table import LatencyTable
from vitnas.quantities import format_count
from vitnas.reporting.terminal.tables import print_table
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.supernets.accuracy import Accuracy, with_interval
from vitnas.supernets.counting.cache import count_specs
from vitnas.supernets.counting.counts import Counts
from vitnas.supernets.evaluation import TEST_ACCURACY, TEST_IMAGES

NO_TEST = "no test images were kept, so accuracies are on the validation images, by which networks are chosen"


def describe_evaluations(
    run: RunFolder, archs: Mapping[str, Arch], scores: Sequence[Mapping[str, float]]
) -> list[dict[str, Any]]:
    """For every arch what it is called, its scores and counts, and its latency on each device with a table.

    "test" holds the accuracy on test images with its interval, and is None where none are kept.
    """
    space = run.space
    blueprints = [space.lower(arch) for arch in archs.values()]
    specs = list(dict.fromkeys(spec for blueprint in blueprints for spec in blueprint))
    counts = dict(zip(specs, count_specs(space, specs), strict=True))
    codes = space.encode(list(archs.values()))
    tables = {file.stem: LatencyTable.read(file) for file in sorted((run.path / "latency").glob("*.parquet"))}
    latencies = {device: table.latency_ms(space)(codes) for device, table in tables.items()}
    found = []
    for i, (name, arch) in enumerate(archs.items()):
        total = asdict(Counts.over(counts[spec] for spec in blueprints[i]))
        found.append(
            {
                "name": name,
                "id": arch.id,
                **{key: value for key, value in scores[i].items() if key not in (TEST_ACCURACY, TEST_IMAGES)},
                "test": _test(scores[i]),
                "num_params": total["num_params"],
                "macs": total["macs"],
                "latency_ms": {device: float(values[i]) for device, values in latencies.items()},
                "arch": arch.to_json(),
            }
        )
    return found


def _test(score: Mapping[str, float]) -> dict[str, Any] | None:
    if TEST_ACCURACY not in score:
        return None
    num_images = int(score[TEST_IMAGES])
    return Accuracy(score[TEST_ACCURACY], num_images, num_images).to_json()


def print_evaluations(evaluated: Sequence[Mapping[str, Any]]) -> None:
    devices = [str(device) for device in evaluated[0]["latency_ms"]]
    tests = [one["test"] for one in evaluated if one["test"] is not None]
    rows = [
        (
            one["name"],
            one["id"],
            f"{100 * one['accuracy']:.2f} ± {100 * one['accuracy_std']:.2f}%",
            f"{one['loss']:.4f}",
            *([with_interval(one["test"]["accuracy"], one["test"]["interval"])] if tests else []),
            format_count(one["num_params"]),
            format_count(one["macs"]),
            *(f"{one['latency_ms'][device]:.4g}" for device in devices),
        )
        for one in evaluated
    ]
    columns = ["accuracy", "loss", *(["test, 95 %"] if tests else []), "parameters", "MACs"]
    print_table(["", "arch"], [*columns, *(f"{d} ms" for d in devices)], rows)
    print(
        f"test: {tests[0]['num_images']} images that nothing was chosen by; whoever chooses by them needs others"
        if tests
        else NO_TEST
    )
