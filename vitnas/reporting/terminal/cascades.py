"""Cascades as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitnas.nas.pareto.front import ParetoFront
from vitnas.reporting.terminal.tables import print_table
from vitnas.search_spaces import Cascade


def print_cascade(found: Mapping[str, Any]) -> None:
    """A line an arch, and what the whole is worth against the arch that it stands in for."""
    cascade, told, origin = Cascade.from_json(found), found["figures"], found["origin"]
    thresholds = [f"{value:.4g}" for value in cascade.thresholds]
    print(f"cascade {cascade.id} by {cascade.rule}, on {origin.get('device', 'the device')}")
    rows = [
        (str(i), arch.id, threshold, f"{share:.1%}", f"{ms:.4g}", f"{accuracy:.2%}")
        for i, (arch, threshold, share, ms, accuracy) in enumerate(
            zip(cascade.archs, [*thresholds, ""], told["reach"], told["parts_ms"], told["accuracies"], strict=True)
        )
    ]
    print_table(["", "arch"], ["answers from", "images that come", "ms of its part", "accuracy alone"], rows)
    reference, static = told["reference"], told["static"]
    print(
        f"expected {told['expected_ms']:.4g} ± {told['expected_ms_std']:.2g} ms, nine of ten images within {told['p90_ms']:.4g} ms, all "
        f"within {told['worst_ms']:.4g} ms"
    )
    print(
        f"accuracy {100 * told['accuracy']:.2f} ± {100 * told['accuracy_std']:.2f}% on {told['num_images']} validation images that chose "
        "nothing"
    )
    print(_of_arch("it stands in for arch", reference))
    if static["id"] != reference["id"]:
        print(_of_arch("the cheapest arch alone that was accurate enough is", static))
    if told["expected_ms"] >= static["latency_ms"]:
        print(f"no cascade of these archs is faster than arch {static['id']} alone; take that")


def _of_arch(words: str, arch: Mapping[str, Any]) -> str:
    return f"{words} {arch['id']}: {arch['latency_ms']:.4g} ms, {arch['accuracy']:.2%} of the same images"


def describe_cascades(front: ParetoFront) -> list[dict[str, Any]]:
    """Archs and cascades together, from the fastest on."""
    archs = [
        {"arch": point.arch.id, "parts": 1, "objectives": dict(point.objectives), "errors": dict(point.errors)}
        for point in front.points
    ]
    cascades = [
        {
            "cascade": one.cascade.id,
            "parts": len(one.cascade.archs),
            "objectives": dict(one.objectives),
            "errors": dict(one.errors),
        }
        for one in front.cascades
    ]
    return sorted([*archs, *cascades], key=lambda one: one["objectives"]["latency_ms"])


def print_cascades(rows: list[dict[str, Any]]) -> None:
    print_table(
        ["arch or cascade", "parts"],
        ["latency_ms", "accuracy"],
        [
            (
                row.get("arch") or f"cascade {row['cascade']}",
                str(row["parts"]),
                f"{row['objectives']['latency_ms']:.4g} ± {row['errors']['latency_ms']:.2g}",
                f"{100 * row['objectives']['accuracy']:.2f} ± {100 * row['errors']['accuracy']:.2f}%",
            )
            for row in rows
        ],
    )


def print_parts(folder: Path, rule: Mapping[str, Any]) -> None:
    """A line a format: its thresholds, how it decides, and what that is worth."""
    print_table(
        ["format", "thresholds"],
        ["size", "accuracy", "decides alike", "expected ms", "largest difference"],
        [
            (
                name,
                ", ".join(f"{value:.4g}" for value in told["thresholds"]),
                f"{told['size_bytes'] / 1e6:.2f} MB",
                f"{told['accuracy']:.2%}",
                f"{told['rule_agreement']:.2%}",
                f"{told['expected_ms']:.4g}",
                f"{told['max_difference']:.1e}",
            )
            for name, told in rule["formats"].items()
        ],
    )
    for name, told in rule["formats"].items():
        print(f"{folder}: {', '.join(told['files'])}: {name}")
