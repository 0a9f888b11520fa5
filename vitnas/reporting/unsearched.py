"""How far a front is ahead of the archs that nobody searched for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitnas.files import write_json
from vitnas.nas.run_search import SearchResult
from vitnas.nas.unsearched import weighed
from vitnas.reporting.evaluated import read_evaluated
from vitnas.reporting.results import EVALUATIONS

BASELINES = "baselines.json"
"""Beside a front; `vitnas plot --baselines` reads it."""


@dataclass(frozen=True)
class Beaten:
    """A baseline of a search, and what the front has at no more of the same cost.

    Attributes:
        name: how it came to be, and its id.
        cost: the quantity that is weighed, such as "latency_ms".
        worth: the other one, such as "accuracy".
        figures: both, of the baseline.
        front: the best worth of the front at no more cost; None where its least costly arch takes more.
    """

    name: str
    cost: str
    worth: str
    figures: dict[str, float]
    front: float | None


def held_against(found: SearchResult) -> list[Beaten]:
    """The baselines that the search evaluated beside, in the order of their cost; written beside the front, for plots."""
    cost, worth, sign = weighed(found.front.objectives)
    evaluated = read_evaluated(found.folder / EVALUATIONS)
    place = {arch_id: i for i, arch_id in enumerate(evaluated.ids)}
    points = [(point.objectives[cost], point.objectives[worth]) for point in found.front.points]
    baselines = []
    for name, arch in found.baselines.items():
        figures = {key: float(evaluated.figures[key][place[arch.id]]) for key in (cost, worth)}
        if np.isnan(list(figures.values())).any():  # its evaluation failed
            continue
        near = [value for spent, value in points if spent <= figures[cost] * (1 + 1e-9)]
        best = max(near, key=lambda value: sign * value) if near else None
        baselines.append(Beaten(name, cost, worth, figures, best))
    baselines.sort(key=lambda one: one.figures[cost])
    write_json(found.folder / BASELINES, [{"name": one.name, **one.figures} for one in baselines])
    return baselines
