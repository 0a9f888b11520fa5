"""What an export found, as tables for the terminal, and the picture for its model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vitnas.deployment.accuracies import NO_TEST, images_of
from vitnas.reporting.diagram import draw_blueprint
from vitnas.search_spaces import Blueprint
from vitnas.supernets.accuracy import with_interval


def draw(blueprint: Blueprint, path: Path, title: str) -> None:
    draw_blueprint(blueprint, [path], title)


def print_export(folder: Path, report: Mapping[str, Any]) -> None:
    """One row a format, the files, the accuracy of the network and the latencies under it."""
    _print_formats(f"arch {report['arch_id']}", report["formats"])
    for name, found in report["formats"].items():
        print(f"{folder / found['file']}: {name}")
    _print_accuracy(report["accuracy"])
    _print_latencies(report)


def print_verified(found: Mapping[str, Mapping[str, Any]]) -> None:
    """The same of what `verify` found in several folders."""
    for folder, report in found.items():
        _print_formats(folder, report["formats"])
        _print_accuracy(report["accuracy"])
        _print_latencies(report)


def _print_accuracy(accuracy: Mapping[str, Any]) -> None:
    if accuracy["shared"] is not None:
        print(f"accuracy before fine-tuning: {accuracy['shared']:.2%} of the same images")
    found = with_interval(accuracy["exported"], accuracy["interval"])
    print(f"accuracy: {found} of {images_of(accuracy, 'validation')}, by which the network was chosen")
    test = accuracy["test"]
    if test is None:
        print(f"test: {NO_TEST[0].lower()}{NO_TEST[1:]}")
    else:
        print(
            f"test: {with_interval(test['accuracy'], test['interval'])} of {images_of(test, 'test')}; intervals at 95 %"
        )


def _print_latencies(report: Mapping[str, Any]) -> None:
    predicted, measured = report["predicted_latency_ms"], report["measured_latency_ms"]
    for device in dict.fromkeys([*predicted, *measured]):
        words = [
            f"{table[device]:.3f} ms {word}"
            for table, word in ((predicted, "predicted"), (measured, "measured"))
            if device in table
        ]
        print(f"{device}: {', '.join(words)}")


def _print_formats(title: str, formats: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in ("format", "size", "accuracy", "same class", "largest difference", "mean"):
        table.add_column(column, justify="left" if column == "format" else "right")
    for name, found in formats.items():
        table.add_row(
            name,
            f"{found['size_bytes'] / 1e6:.2f} MB",
            f"{found['accuracy_after']:.2%}",
            f"{found['top1_agreement']:.2%}",
            f"{found['max_difference']:.1e}",
            f"{found['mean_difference']:.1e}",
        )
    Console().print(table)
