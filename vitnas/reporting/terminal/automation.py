"""The plan of an automatic search and its table, as data and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console

from vitnas.automation.automate import AutoResult
from vitnas.automation.plan import Plan
from vitnas.automation.scoreboard import COLUMNS, Scoreboard, rows
from vitnas.automation.suggest import Suggestion
from vitnas.quantities import format_count
from vitnas.reporting.terminal.tables import print_table
from vitnas.search_spaces import Arch


def describe_found(found: AutoResult) -> dict[str, Any]:
    """Folder, the minutes that the plan gives to each part, its entries, and the table if there is one; of several networks the same for each."""
    plan = found.plan
    entries = plan.entries if plan is not None else ()
    return {
        "folder": str(found.folder),
        "minutes": plan.minutes() if plan is not None else {},
        "entries": [{**msgspec.to_builtins(e), "arch_id": Arch.from_json(e.arch).id} for e in entries],
        "scoreboard": msgspec.to_builtins(found.scoreboard) if found.scoreboard is not None else None,
        "networks": [describe_found(part) for part in found.parts],
    }


PLAN_NAMES = ("role", "arch")
PLAN_COLUMNS = ("px", "latency", "learning rate", "steps", "minutes")


def plan_rows(plan: Plan) -> list[list[str]]:
    """A line an entry: its names, then its figures."""
    return [
        [
            e.role,
            f"{e.space} {Arch.from_json(e.arch).id}",
            str(e.image_size),
            ", ".join(f"{ms:.2f} ms" for ms in e.ms.values()),
            f"{e.learning_rate:g}",
            str(e.steps),
            f"{e.seconds / 60:.1f}",
        ]
        for e in plan.entries
    ]


def minutes_text(plan: Plan) -> str:
    """What the parts of a plan take, and all of it."""
    parts = plan.minutes()
    told = ", ".join(f"{name} {minutes:.1f}" for name, minutes in parts.items())
    return f"minutes: {told}; {sum(parts.values()):.1f} in all"


def print_plan(plan: Plan) -> None:
    """A line an entry, then the minutes of each part; to standard error, for it is no result."""
    error = Console(stderr=True, highlight=False)
    print_table(PLAN_NAMES, PLAN_COLUMNS, plan_rows(plan), on=error)
    error.print(minutes_text(plan))


def print_found(described: dict[str, Any]) -> None:
    """The table against the baselines and what it says; without one, where the plan lies."""
    folder = described["folder"]
    if described["scoreboard"] is None:
        file = "plan.toml" if described["entries"] or described["networks"] else "supernet.toml"
        plans = [f"{one['folder']}/{file}" for one in described["networks"] or [described]]
        print(f"plan written to {', '.join(plans)}; edit it if you like, and give the command without --dry-run")
        return
    board = msgspec.convert(described["scoreboard"], Scoreboard)
    cells = rows(board)
    print_table(["", COLUMNS[1]], COLUMNS[2:], cells)
    for sentence in board.verdict():
        print(f"{sentence}.")
    places = ", ".join(f"{one['folder']}/network" for one in described["networks"] or [described])
    print(f"written to {folder}: README.md, and the network in {places}")


def describe_suggestions(found: Sequence[Suggestion]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(one) for one in found]


def print_suggestions(described: Sequence[dict[str, Any]]) -> None:
    """A line a space."""
    trained = any(one["steps"] for one in described)
    columns = ["px", "latency", "params", "MACs", "s a step", *(["steps", "loss", "accuracy"] if trained else [])]
    rows = []
    for one in described:
        learnt = [str(one["steps"]), f"{one['loss']:.3f}", f"{one['accuracy']:.1%}"] if trained else []
        ms = ", ".join(f"{ms:.2f} ms on {device}" for device, ms in one["ms"].items())
        counts = [format_count(one["num_params"]), format_count(one["macs"]), f"{one['step_s']:.2f}"]
        rows.append([one["space"], one["arch_id"], str(one["image_size"]), ms, *counts, *learnt])
    print_table(["space", "arch"], columns, rows)
