"""What rounds of pruning came to, as data and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vitnas.automation.pruning.rounds import PruneResult
from vitnas.quantities import format_count
from vitnas.reporting.terminal.tables import print_table

COLUMNS = ("latency", "parameters", "accuracy", "tuned")


def describe_pruning(found: PruneResult) -> dict[str, Any]:
    """The folder of the export, and every round."""
    return {"folder": str(found.folder), "rounds": [asdict(one) for one in found.rounds]}


def print_pruning(described: Mapping[str, Any]) -> None:
    """A line a round."""
    rows = [
        [
            f"round {one['number']}" if one["number"] else "given",
            f"{one['latency_ms']:.3f} ms",
            format_count(one["num_params"]),
            f"{one['untuned']:.1%}",
            f"{one['tuned']:.1%}" if one["number"] else "",
        ]
        for one in described["rounds"]
    ]
    print_table(("",), COLUMNS, rows)
    print(f"accuracy on validation images; written to {described['folder']}")
