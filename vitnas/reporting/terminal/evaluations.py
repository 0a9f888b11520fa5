"""How good archs are on the weights of a run, and what they cost: as data and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vitnas.quantities import format_count
from vitnas.reporting.terminal.tables import print_table
from vitnas.supernets.judgement import with_interval

NO_TEST = "no test images were kept, so accuracies are on the validation images, by which networks are chosen"


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
