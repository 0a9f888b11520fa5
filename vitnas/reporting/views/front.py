"""A Pareto front in a notebook."""

from __future__ import annotations

import pandas as pd

from vitnas.display import View
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.quantity import std_of
from vitnas.reporting.evaluated import flat_genes
from vitnas.reporting.picks import describe_picks, pick_lines
from vitnas.reporting.plots.pareto_plot import plot_fronts
from vitnas.reporting.plots.picture import Picture
from vitnas.reporting.terminal.fronts import MARKED, cell, describe_front
from vitnas.reporting.views.page import block


def to_frame(front: ParetoFront) -> pd.DataFrame:
    """A row a point by arch id: figures with their standard deviations, what the point is picked as, and its genes."""
    picks = _picked(front)
    rows = [
        {
            **{
                column: value
                for o in front.objectives
                for column, value in ((o.name, p.objectives[o.name]), (std_of(o.name), p.errors.get(o.name)))
                if value is not None
            },
            "pick": picks.get(p.arch.id, ""),
            **flat_genes(p.arch.to_json()),
        }
        for p in front.points
    ]
    return pd.DataFrame(rows, index=pd.Index([p.arch.id for p in front.points], name="arch"))


def to_html(front: ParetoFront) -> str:
    described = describe_front(front)
    names, points = described["objectives"], described["points"]
    table = pd.DataFrame(
        [[" ".join(which for which in MARKED if p[which]), *(cell(name, p) for name in names)] for p in points],
        columns=["pick", *names],
        index=pd.Index([p["id"] for p in points], name="arch"),
    )
    notes = [*pick_lines(described["picks"], len(points)), *described["notes"]]
    return block(f"Pareto front of {front.space}", table, notes)


def plot(front: ParetoFront) -> Picture:
    return plot_fronts({front.space: front})


def _picked(front: ParetoFront) -> dict[str, str]:
    picks = describe_picks(front)
    found: dict[str, str] = {}
    for which in MARKED:
        if picks[which] is not None:
            arch_id = picks[which]["id"]
            found[arch_id] = f"{found[arch_id]} {which}" if arch_id in found else which
    return found


VIEW = View(to_frame, plot, to_html)
