"""Pareto fronts and what a search found, as data and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.quantity import Quantity
from vitnas.nas.run_search import SearchResult
from vitnas.quantities import format_count
from vitnas.reporting.picks import describe_picks, pick_lines
from vitnas.reporting.sittings import front_notes
from vitnas.reporting.terminal.estimates import estimated_factor
from vitnas.reporting.terminal.tables import print_table
from vitnas.reporting.unsearched import BASELINES, held_against
from vitnas.search_spaces.answers import metrics

MARKED = ("best", "knee")
"""Points of a front that are named where it is printed."""


def describe_front(front: ParetoFront) -> dict[str, Any]:
    """The archs with their objectives, where each figure came from, their groups, and which are the best and the knee."""
    groups = {p.arch.id: i for i, group in enumerate(front.groups()) for p in group.points}
    picks = describe_picks(front)
    return {
        "space": front.space,
        "objectives": [objective.name for objective in front.objectives],
        "points": [
            {
                "id": point.arch.id,
                "objectives": dict(point.objectives),
                "provenance": dict(point.provenance),
                "errors": dict(point.errors),
                "intervals_90": _intervals(front, point),
                "group": groups[point.arch.id],
                **({"caveat": point.caveat} if point.caveat else {}),
                **{which: picks[which] is not None and picks[which]["id"] == point.arch.id for which in MARKED},
                "arch": point.arch.to_json(),
            }
            for point in front.points
        ],
        "notes": front_notes(front),
        "picks": picks,
    }


def describe_search(found: SearchResult) -> dict[str, Any]:
    """The front; of several devices also the front of each, and the archs that are on all of those."""
    data = describe_front(found.front)
    if found.of_devices:
        fronts = {device: describe_front(front) for device, front in found.of_devices.items()}
        on_each = [{point.arch for point in front.points} for front in found.of_devices.values()]
        serving = set.intersection(*on_each)
        first = next(iter(found.of_devices.values()))
        data |= {
            "devices": fronts,
            "on_every_front": [point.arch.id for point in first.points if point.arch in serving],
        }
    if found.baselines:
        data["baselines"] = [msgspec.to_builtins(one) for one in held_against(found)]
    return data


def print_search(found: dict[str, Any]) -> None:
    print_front(found)
    for device, front in found.get("devices", {}).items():
        print(f"\n{device} alone")
        print_front(front)
    if "devices" in found:
        ids = ", ".join(found["on_every_front"]) or "none"
        print(f"\non the front of every device: {ids}; the first table weighs all devices at once")
    if "baselines" in found:
        print()
        print_baselines(found["baselines"])


def print_baselines(baselines: Sequence[dict[str, Any]]) -> None:
    """A line an arch that nobody searched for, and what the front has at no more of its cost."""
    if not baselines:
        print("no baseline: the evaluations of all of them failed")
        return
    cost, worth = baselines[0]["cost"], baselines[0]["worth"]
    rows = [
        (
            one["name"],
            f"{one['figures'][cost]:.4g}",
            _worth(worth, one["figures"][worth]),
            _worth(worth, one["front"]) if one["front"] is not None else "none so cheap",
        )
        for one in baselines
    ]
    print_table(["baseline"], [cost, worth, f"{worth} of the front at no more {cost}"], rows)


def _worth(name: str, value: float) -> str:
    return f"{value:.2%}" if name in metrics() else f"{value:.3f}"


def print_front(front: dict[str, Any]) -> None:
    names, points = front["objectives"], front["points"]
    sizes = Counter(point["group"] for point in points)
    several = {group: str(i) for i, group in enumerate((g for g, size in sizes.items() if size > 1), 1)}
    rows = [
        (
            str(i),
            " ".join([point["id"], *(which for which in MARKED if point[which])]),
            *([several.get(point["group"], "")] if several else []),
            *(cell(n, point) for n in names),
        )
        for i, point in enumerate(points)
    ]
    print_table(["", "arch", *(["group"] if several else [])], names, rows)
    print()
    for line in (*pick_lines(front["picks"], len(points)), *front["notes"]):
        print(line)


def plot_search(found: SearchResult) -> None:
    """Pictures beside the fronts, where there is something to weigh against something."""
    from vitnas.reporting.baselines import read_baselines
    from vitnas.reporting.evaluated import read_evaluated
    from vitnas.reporting.plots.pareto_plot import plot_fronts

    everything = read_evaluated(found.folder / "evaluations.parquet")
    files = {"front.png": found.front} | {f"front-{device}.png": front for device, front in found.of_devices.items()}
    for name, front in files.items():
        if {o.direction for o in front.objectives} == {"maximise", "minimise"}:
            evaluated = {front.space: everything} if front is found.front else {}
            beside = read_baselines(found.folder / BASELINES) if front is found.front and found.baselines else ()
            plot_fronts({front.space: front}, [found.folder / name], evaluated=evaluated, baselines=beside)


def _intervals(front: ParetoFront, point: Point) -> dict[str, tuple[float, float]]:
    factors = {name: estimated_factor(front, name) for name in point.objectives}
    return {name: (point.objectives[name] / f, point.objectives[name] * f) for name, f in factors.items() if f}


def cell(name: str, point: dict[str, Any]) -> str:
    value, error, provenance = point["objectives"][name], point["errors"].get(name), point["provenance"][name]
    if name in metrics():
        return f"{100 * value:.2f} ± {100 * error:.2f}%" if error else f"{value:.2%}"
    spread = f" ± {error:.2g}" if error else ""
    if Quantity.parse(name).unit != "ms":
        return f"{value:.3f}{spread}" if name == "score" else format_count(value)
    if name in point["intervals_90"]:
        low, high = point["intervals_90"][name]
        spread = f" (90 %: {low:.3g} to {high:.3g})"
    return f"{value:.4g}{spread} {provenance}"
