"""The four numbers of a compressed network, from a report: simulated and engine accuracy, engine latency, layers as asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from vitnas.deployment.judged import metric_in, title_in
from vitnas.supernets.judgement import ACCURACY


def columns(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Of the table whose rows `rows` gives."""
    title = title_in(report)
    return "format", f"simulated {title}", f"engine {title}", "engine, ms", "layers as asked"


def rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One a format; none where all of the network is in float, or the report is of a vitnas that knew no precisions."""
    told, metric = report.get("compression"), metric_in(report)
    if not told:
        return []
    return [
        (
            name,
            f"{told[f'simulated_{metric}']:.2%}",
            f"{found[f'{metric}_after']:.2%}",
            "-" if found["latency_ms"] is None else f"{found['latency_ms']:.3f}",
            f"{found['layers']['as_asked']} of {found['layers']['asked']}",
        )
        for name, found in report["formats"].items()
    ]


def in_words(report: Mapping[str, Any]) -> str:
    """How many layers are at which precision, and what that costs before any runtime comes in."""
    told, metric = report["compression"], metric_in(report)
    out_of = told.get("out_of") or len(report["blueprint"])
    each = ", ".join(f"{number} at {name}" for name, number in sorted(Counter(told["layers"].values()).items()))
    return (
        f"{len(told['layers'])} of {out_of} layers are not in float: {each} (level {told['level']}). Of "
        f"{told['num_images']} validation images the network has {told[f'float_{metric}']:.2%} {_of(report)} in float and "
        f"{told[f'reference_{metric}']:.2%} as it is executed."
    )


def engine_minus_simulated(report: Mapping[str, Any]) -> dict[str, float]:
    """By format, how many points of the metric a runtime gives more than the simulation, on the same images."""
    told, metric = report["compression"], metric_in(report)
    return {
        name: 100 * (found[f"{metric}_after"] - told[f"simulated_{metric}"])
        for name, found in report["formats"].items()
    }


def _of(report: Mapping[str, Any]) -> str:
    return "right" if metric_in(report) == ACCURACY else title_in(report)
