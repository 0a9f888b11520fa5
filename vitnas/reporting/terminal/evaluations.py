"""How good archs are on the weights of a run, and what they cost: as data and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vitnas.quantities import format_count
from vitnas.reporting.terminal.tables import print_table
from vitnas.search_spaces.answers import metrics, word_of
from vitnas.supernets.judgement import ACCURACY, with_interval

NO_TEST = "no test images were kept, so accuracies are on the validation images, by which networks are chosen"


def print_evaluations(evaluated: Sequence[Mapping[str, Any]]) -> None:
    metric = next((name for name in metrics() if name in evaluated[0]), ACCURACY)
    title = word_of(metric)
    devices = [str(device) for device in evaluated[0]["latency_ms"]]
    tests = [one["test"] for one in evaluated if one["test"] is not None]
    rows = [
        (
            one["name"],
            one["id"],
            f"{100 * one[metric]:.2f} ± {100 * one[f'{metric}_std']:.2f}%",
            f"{one['loss']:.4f}",
            *([with_interval(one["test"][metric], one["test"]["interval"])] if tests else []),
            format_count(one["num_params"]),
            format_count(one["macs"]),
            *(f"{one['latency_ms'][device]:.4g}" for device in devices),
        )
        for one in evaluated
    ]
    columns = [title, "loss", *(["test, 95 %"] if tests else []), "parameters", "MACs"]
    print_table(["", "arch"], [*columns, *(f"{d} ms" for d in devices)], rows)
    for one in evaluated:
        _print_classes(one)
    print(
        f"test: {tests[0]['num_images']} images that nothing was chosen by; whoever chooses by them needs others"
        if tests
        else NO_TEST
    )


def _print_classes(one: Mapping[str, Any]) -> None:
    """The figures of each class, where the goal has any."""
    told: Mapping[str, Mapping[str, float]] = one.get("of_classes", {})
    if not told:
        return
    names = dict.fromkeys(name for each in told.values() for name in each)
    rows = [(name, *(f"{each[name]:.2%}" if name in each else "-" for each in told.values())) for name in names]
    print_table([f"{one['name']} by class"], list(told), rows)
