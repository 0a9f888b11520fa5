"""What the page of an automatic search shows, as data: the page itself draws it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from vitnas import __version__
from vitnas.automation.automate import STANDINGS, AutoResult
from vitnas.automation.plan import Entry, Plan
from vitnas.automation.scoreboard import COLUMNS, PAGE, Scoreboard, rows
from vitnas.files import read_json
from vitnas.quantities import format_limits
from vitnas.reporting.page.page_data import training_curves
from vitnas.reporting.terminal.automation import PLAN_COLUMNS, PLAN_NAMES, minutes_text, plan_rows
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch

RUNG_COLUMNS = ("candidate", "learning rate", "step", "loss", "accuracy", "")


def describe_automation(found: AutoResult) -> dict[str, Any]:
    """The table against the baselines, the plan, who stood where, the curves of what was trained to its end, the commands.

    Of several networks: one table, a curve each, and where the page of each lies.
    """
    board, plan = found.scoreboard, found.plan
    assert board is not None
    common = {
        "live": False,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "vitnas": __version__,
        "board": _describe_board(board),
        "parts": [],
    }
    minutes = f"{sum(line.minutes for line in board.lines):.1f} minutes of computing time in all"
    if plan is None:
        limits = [format_limits(part.scoreboard.limits) for part in found.parts if part.scoreboard is not None]
        return {
            **common,
            "title": f"{len(found.parts)} networks for {board.dataset}",
            "summary": f"within {'; '.join(limits)}; {minutes}",
            "parts": [
                {"name": name, "page": f"{part.folder.relative_to(found.folder).as_posix()}/{PAGE}"}
                for name, part in zip(limits, found.parts, strict=True)
            ],
            "plan": None,
            "rungs": [],
            "curves": {name: _own_curve(part) for name, part in zip(limits, found.parts, strict=True)},
            "commands": [],
        }
    standings = _standings(found)
    return {
        **common,
        "title": f"A network for {board.dataset} within {format_limits(board.limits)}",
        "summary": f"{_counted(len(plan.candidates), 'candidate')}, {_counted(len(board.lines) - 1, 'baseline')}; {minutes}",
        "plan": {**_table([*PLAN_NAMES, *PLAN_COLUMNS], plan_rows(plan), len(PLAN_NAMES)), "note": minutes_text(plan)},
        "rungs": [_describe_rung(plan, number, rung) for number, rung in enumerate(standings)],
        "curves": _curves(found, plan, _winner(plan, standings)),
        "commands": list(found.commands),
    }


def _describe_board(board: Scoreboard) -> dict[str, Any]:
    of = f"{board.num_images:,} {board.split} images"
    return {
        **_table(COLUMNS, rows(board), 2),
        "axis": f"% of {of} named right, with the interval at 95 %",
        "lines": [
            {
                "name": line.role,
                "text": f"{line.accuracy:.1%}",
                "value": 100 * line.accuracy,
                "interval": [100 * end for end in line.interval],
            }
            for line in board.lines
        ],
        "verdict": [f"{sentence}." for sentence in board.verdict()],
        "note": f"Accuracy on {of}; minutes of computing time for all that led to a network.",
    }


def _describe_rung(plan: Plan, number: int, rung: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The candidates at a rung, the best first."""
    entries = {entry.name: entry for entry in plan.candidates}
    shown = [
        [
            _named(entries[one["name"]]),
            f"{entries[one['name']].learning_rate:g}",
            str(one["step"]),
            "no number" if one["loss"] is None else f"{one['loss']:.3f}",
            f"{one['accuracy']:.1%}",
            "goes on" if one["kept"] else "dropped",
        ]
        for one in rung
    ]
    title = f"After {plan.rungs[number].share:.0%} of each training"
    return {**_table(RUNG_COLUMNS, shown, 1), "title": title}


def _standings(found: AutoResult) -> list[list[dict[str, Any]]]:
    told: list[list[dict[str, Any]]] = read_json(found.folder / STANDINGS)
    return told


def _own_curve(part: AutoResult) -> list[list[float]]:
    """The training loss of the network of one limit."""
    assert part.plan is not None
    return _curves(part, part.plan, _winner(part.plan, _standings(part)))["network"]


def _winner(plan: Plan, standings: Sequence[Sequence[dict[str, Any]]]) -> Entry:
    best = standings[-1][0]["name"] if standings else plan.candidates[0].name
    return next(entry for entry in plan.candidates if entry.name == best)


def _curves(found: AutoResult, plan: Plan, winner: Entry) -> dict[str, list[list[float]]]:
    """The training loss of the network, and of the baselines that are in the table."""
    assert found.scoreboard is not None
    judged = {(line.role, line.arch_id) for line in found.scoreboard.lines}
    entries = {"network": winner} | {
        entry.role: entry for entry in plan.baselines if (entry.role, Arch.from_json(entry.arch).id) in judged
    }
    curves = {
        name: training_curves(RunFolder(found.folder / "runs" / entry.name).metrics_file)
        for name, entry in entries.items()
    }
    return {name: told["loss"]["loss"] for name, told in curves.items() if told is not None and told["loss"]}


def _table(columns: Sequence[str], cells: Sequence[Sequence[str]], words: int) -> dict[str, Any]:
    """A table of which the first columns hold words and the others figures."""
    return {
        "columns": list(columns),
        "rows": [list(row) for row in cells],
        "numeric": [i >= words for i in range(len(columns))],
    }


def _named(entry: Entry) -> str:
    return f"{entry.space} {Arch.from_json(entry.arch).id}, {entry.image_size} px"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
