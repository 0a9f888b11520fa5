"""A Pareto front as data and as a table."""

from __future__ import annotations

from typing import Any

from vitnas.nas.pareto import ParetoFront
from vitnas.quantities import format_count
from vitnas.reporting.tables import print_table


def describe_front(front: ParetoFront) -> dict[str, Any]:
    """The archs with their objectives, where each figure came from, and which one is the knee."""
    knee = front.knee().arch.id
    return {
        "space": front.space,
        "objectives": [objective.name for objective in front.objectives],
        "points": [
            {
                "id": point.arch.id,
                "objectives": dict(point.objectives),
                "provenance": dict(point.provenance),
                "knee": point.arch.id == knee,
                "arch": point.arch.to_json(),
            }
            for point in front.points
        ],
    }


def print_front(front: dict[str, Any]) -> None:
    names = front["objectives"]
    rows = [
        (str(i), point["id"] + (" knee" if point["knee"] else ""), *(_cell(n, point["objectives"][n]) for n in names))
        for i, point in enumerate(front["points"])
    ]
    print_table(["", "arch"], names, rows)


def _cell(name: str, value: float) -> str:
    return f"{value:.2%}" if name == "accuracy" else f"{value:.4g}" if name.endswith("_ms") else format_count(value)
