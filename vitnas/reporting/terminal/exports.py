"""What an export found, as tables for the terminal, and the picture for its model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vitnas.deployment.accuracies import NO_TEST, images_of
from vitnas.deployment.agreement import Predicted
from vitnas.deployment.compressed import figures
from vitnas.deployment.flips import Flips
from vitnas.deployment.judged import judged_in, metric_in
from vitnas.deployment.latency_report import COLUMNS, latency_remarks, latency_rows
from vitnas.latency_lut.runtimes.saturation import WeightRange
from vitnas.latency_lut.sitting import BETWEEN, across_sittings
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.quantity import Quantity
from vitnas.reporting.plots.diagram import draw_blueprint
from vitnas.search_spaces import Blueprint
from vitnas.search_spaces.answers import word_of
from vitnas.supernets.judgement import ACCURACY, with_interval


def predictions(front: ParetoFront, point: Point) -> dict[str, Predicted]:
    """What a front says of the latency of an arch, by device, with its error on any day and the limit of the search."""
    origin = front.config.get("origin", {})
    devices = str(origin.get("device", "device")).split(", ")
    made = str(origin.get("table", "")).split(", ")
    tables = dict(zip(devices, made, strict=True)) if len(made) == len(devices) else {}
    limits, sittings = front.config.get("limits", {}), front.config.get("sittings", {})
    found = {}
    for name, ms in point.objectives.items():
        quantity = Quantity.parse(name)
        if not quantity.is_latency:
            continue
        device = quantity.device or devices[0]
        std_ms = point.errors.get(name, 0.0)
        if (
            name not in sittings and point.provenance[name] != "estimated"
        ):  # a front of old states the error of one sitting
            std_ms = across_sittings(ms, std_ms, BETWEEN)
        found[device] = Predicted(ms, std_ms, point.provenance[name], limits.get(name), tables.get(device, ""))
    return found


def draw(blueprint: Blueprint, path: Path, title: str) -> None:
    draw_blueprint(blueprint, [path], title)


def print_export(folder: Path, report: Mapping[str, Any]) -> None:
    """One row a format, the files, the accuracy of the network and the latencies under it."""
    _print_formats(f"arch {report['arch_id']}", report)
    for name, found in report["formats"].items():
        print(f"{folder / found['file']}: {name}{weights_of(found)}")
    _print_precisions(report)
    if report.get("flips") is not None:
        print(f"tokens: {Flips(**report['flips'])}")
    _print_judged(report)
    _print_latencies(report)


def _print_precisions(report: Mapping[str, Any]) -> None:
    if found := figures.rows(report):
        print(figures.in_words(report))
        table = Table(*figures.columns(report))
        for row in found:
            table.add_row(*row)
        Console().print(table)


def print_verified(found: Mapping[str, Mapping[str, Any]]) -> None:
    """The same of what `verify` found in several folders."""
    for folder, report in found.items():
        _print_formats(folder, report)
        for name, parity in report["formats"].items():
            if parity["warning"]:
                print(f"warning: {name}: {parity['warning']}")
        _print_precisions(report)
        _print_judged(report)
        _print_latencies(report)


def weights_of(found: Mapping[str, Any]) -> str:
    """What an int8 format took, and why."""
    taken = found.get("int8")
    return f", {WeightRange(**taken)}" if taken else ""


def _print_judged(report: Mapping[str, Any]) -> None:
    judged, metric = judged_in(report), metric_in(report)
    title, over = word_of(metric), "of" if metric == ACCURACY else "on"
    if judged["shared"] is not None:
        print(f"{title} before fine-tuning: {judged['shared']:.2%} {over} the same images")
    found = with_interval(judged["exported"], judged["interval"])
    print(f"{title}: {found} {over} {images_of(judged, 'validation')}, by which the network was chosen")
    test = judged["test"]
    if test is None:
        print(f"test: {NO_TEST[0].lower()}{NO_TEST[1:]}")
    else:
        print(
            f"test: {with_interval(test[metric], test['interval'])} {over} {images_of(test, 'test')}; intervals at 95 %"
        )


def _print_latencies(report: Mapping[str, Any]) -> None:
    rows = latency_rows(report)
    if not rows:
        return
    table = Table(title="latency of one image, ms", title_justify="left")
    for i, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if i else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    for text in latency_remarks(report):
        print(text)


def _print_formats(title: str, report: Mapping[str, Any]) -> None:
    table, metric = Table(title=title, title_justify="left"), metric_in(report)
    for column in ("format", "size", word_of(metric), "same class", "largest difference", "mean"):
        table.add_column(column, justify="left" if column == "format" else "right")
    for name, found in report["formats"].items():
        table.add_row(
            name,
            f"{found['size_bytes'] / 1e6:.2f} MB",
            f"{found[f'{metric}_after']:.2%}",
            f"{found['top1_agreement']:.2%}",
            f"{found['max_difference']:.1e}",
            f"{found['mean_difference']:.1e}",
        )
    Console().print(table)
