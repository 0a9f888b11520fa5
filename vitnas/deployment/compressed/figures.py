"""The four numbers of a compressed network, from a report: simulated and engine accuracy, engine latency, layers as asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

COLUMNS = ("format", "simulated top-1", "engine top-1", "engine, ms", "layers as asked")


def rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One a format; none where all of the network is in float, or the report is of a vitnas that knew no precisions."""
    told = report.get("compression")
    if not told:
        return []
    return [
        (
            name,
            f"{told['simulated_accuracy']:.2%}",
            f"{found['accuracy_after']:.2%}",
            "-" if found["latency_ms"] is None else f"{found['latency_ms']:.3f}",
            f"{found['layers']['as_asked']} of {found['layers']['asked']}",
        )
        for name, found in report["formats"].items()
    ]


def in_words(report: Mapping[str, Any]) -> str:
    """How many layers are at which precision, and what that costs before any runtime comes in."""
    told = report["compression"]
    out_of = told.get("out_of") or len(report["blueprint"])
    each = ", ".join(f"{number} at {name}" for name, number in sorted(Counter(told["layers"].values()).items()))
    return (
        f"{len(told['layers'])} of {out_of} layers are not in float: {each} (level {told['level']}). Of "
        f"{told['num_images']} validation images the network has {told['float_accuracy']:.2%} right in float and "
        f"{told['reference_accuracy']:.2%} as it is executed."
    )


def engine_minus_simulated(report: Mapping[str, Any]) -> dict[str, float]:
    """By format, how many points of accuracy a runtime gives more than the simulation, on the same images."""
    told = report["compression"]
    return {
        name: 100 * (found["accuracy_after"] - told["simulated_accuracy"]) for name, found in report["formats"].items()
    }
