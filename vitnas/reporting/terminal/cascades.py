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
    reference = told["reference"]
    print(
        f"expected {told['expected_ms']:.4g} ± {told['expected_ms_std']:.2g} ms, nine of ten images within {told['p90_ms']:.4g} ms, all "
        f"within {told['worst_ms']:.4g} ms; arch {reference['id']} alone takes {reference['latency_ms']:.4g} ms"
    )
    print(
        f"accuracy {100 * told['accuracy']:.2f} ± {100 * told['accuracy_std']:.2f}%, that of the arch {reference['accuracy']:.2%}, on "
        f"{told['num_images']} validation images that chose nothing"
    )
    if told["expected_ms"] >= reference["latency_ms"]:
        print("no cascade of these archs is faster than the arch alone; take the arch")


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
