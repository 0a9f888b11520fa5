"""Searches held against one another: their fronts, hypervolumes, archs and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vitnas.errors import SearchError
from vitnas.nas.pareto.apart import WIDTH
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.quantity import OF_A_DEVICE
from vitnas.reporting.growth import Box
from vitnas.reporting.plots.scale import scale_of
from vitnas.reporting.results import Result
from vitnas.reporting.terminal.tables import console, print_table

MOST_IDS = 6
"""Archs that a line names; all of them are in the JSON."""


def describe_comparison(results: Mapping[str, Result]) -> dict[str, Any]:
    """Every search on one scale, and every other one against the first.

    Hypervolumes are shares of one box around all that these searches evaluated; where the fronts do not weigh the same
    figures on the same device there is none, and `differ` says why.
    """
    if len(results) < 2:
        raise SearchError(
            f"{len(results)} front: a comparison needs two or more; name another run, search or front.json"
        )
    differ = _why_not(results)
    box = None if differ else Box.around(list(results.values()))
    (first_name, first), *others = results.items()
    return {
        "first": first_name,
        "differ": differ,
        "reference": None
        if box is None
        else {o.name: o.sign * float(value) for o, value in zip(box.objectives, box.reference, strict=True)},
        "searches": [
            {
                "name": name,
                "space": result.front.space,
                "device": result.device,
                "evaluations": len(result.evaluated),
                "points": len(result.front.points),
                "hypervolume": None if box is None else box.share_of(result),
                "objectives": [o.name for o in result.front.objectives],
                "knee": _describe_point(result.front.knee()),
                "best": _describe_point(result.front.best()),
            }
            for name, result in results.items()
        ],
        "changes": [_describe_change(first, name, other, differ is None) for name, other in others],
    }


def print_comparison(found: dict[str, Any]) -> None:
    """A line a search, then what each changes against the first."""
    rows = []
    for one in found["searches"]:
        share = "-" if one["hypervolume"] is None else f"{one['hypervolume']:.1%}"
        points = [_point_text(one[which]) for which in ("knee", "best")]
        rows.append((one["name"], one["device"] or "-", *points, str(one["evaluations"]), str(one["points"]), share))
    print_table(("search", "device", "knee", "best"), ("evaluated", "on the front", "hypervolume"), rows)
    out = console()
    if found["differ"]:
        out.print(f"\nno hypervolumes: {found['differ']}", markup=False)
    else:
        corner = ", ".join(
            f"{scale_of(name).text(v * scale_of(name).factor)}" for name, v in found["reference"].items()
        )
        out.print(f"\nhypervolumes are shares of the box up to {corner}, beyond the worst that any of them evaluated")
    for change in found["changes"]:
        out.print(f"\n{change['name']} against {found['first']}", markup=False)
        for word in ("gained", "lost", "both"):
            ids = change[word]
            more = f" and {len(ids) - MOST_IDS} more" if len(ids) > MOST_IDS else ""
            out.print(f"  {word:8}{len(ids)}: {', '.join(ids[:MOST_IDS])}{more}" if ids else f"  {word:8}none")
        if change["beats"] is not None:
            out.print(
                f"  beats {change['beats']} of the first's points, {change['beats_surely']} by more than the error; "
                f"{change['beaten']} of its own are beaten, {change['beaten_surely']} by more than the error"
            )
        for name, (before, after) in change["settings"].items():
            out.print(f"  {name}: {_word(before)} -> {_word(after)}", markup=False)


def _why_not(results: Mapping[str, Result]) -> str | None:
    """Why figures of these fronts cannot be held against one another, or None."""
    weighed = {name: sorted(o.name for o in result.front.objectives) for name, result in results.items()}
    if len({tuple(names) for names in weighed.values()}) > 1:
        return f"the searches weigh different things: {weighed}"
    devices = {name: result.device for name, result in results.items()}
    costs = {name for names in weighed.values() for name in names}
    if len(set(devices.values())) > 1 and costs & set(OF_A_DEVICE):
        return f"their figures are of different devices: {devices}"
    return None


def _describe_change(first: Result, name: str, other: Result, comparable: bool) -> dict[str, Any]:
    before, after = ([p.arch.id for p in result.front.points] for result in (first, other))
    settings = [_settings(result.front) for result in (first, other)]
    keys = dict.fromkeys([*settings[0], *settings[1]])
    return {
        "name": name,
        "gained": [i for i in after if i not in before],
        "lost": [i for i in before if i not in after],
        "both": [i for i in after if i in before],
        "beats": _beaten(other.front, first.front) if comparable else None,
        "beats_surely": _beaten(other.front, first.front, surely=True) if comparable else None,
        "beaten": _beaten(first.front, other.front) if comparable else None,
        "beaten_surely": _beaten(first.front, other.front, surely=True) if comparable else None,
        "settings": {
            key: [settings[0].get(key), settings[1].get(key)]
            for key in keys
            if settings[0].get(key) != settings[1].get(key)
        },
    }


def _beaten(by: ParetoFront, front: ParetoFront, surely: bool = False) -> int:
    """How many points of a front some point of another beats, in one objective by more than the error if `surely`.

    Figures of two searches need not be of the same images, so nothing is paired.
    """
    order = [o.name for o in front.objectives]
    columns = [[o.name for o in by.objectives].index(name) for name in order]
    better, worse = by.values()[:, columns][:, None], front.values()[None]
    beats = (better <= worse).all(axis=2) & (better < worse).any(axis=2)
    if surely:
        variances = [
            np.array([[point.errors.get(name, 0.0) ** 2 for name in order] for point in each.points])
            for each in (by, front)
        ]
        errors = np.sqrt(variances[0][:, None] + variances[1][None])
        beats &= (worse - better > WIDTH * errors).any(axis=2)
    return int(beats.any(axis=0).sum())


def _settings(front: ParetoFront) -> dict[str, Any]:
    """All that decided a front, by flat name."""
    top = {"space": front.space, "fingerprint": front.fingerprint, "seed": front.seed}
    return {**top, **_flat(front.config), **_flat(front.versions, "versions.")}


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def _describe_point(point: Point | None) -> dict[str, Any] | None:
    return None if point is None else {"id": point.arch.id, **dict(point.objectives)}


def _point_text(point: Mapping[str, Any] | None) -> str:
    if point is None:
        return "none"
    figures = {name: scale_of(name) for name in point if name != "id"}
    return ", ".join(scale.text(point[name] * scale.factor) for name, scale in figures.items())


def _word(value: Any) -> str:
    return "not told" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
