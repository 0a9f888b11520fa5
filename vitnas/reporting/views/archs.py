"""Results of archs in a notebook, a row each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vitnas.display import View
from vitnas.quantities import format_count
from vitnas.reporting.evaluated import flat_genes
from vitnas.reporting.per_arch import ArchResult, ArchTable
from vitnas.reporting.plots.bars_plot import plot_bars
from vitnas.reporting.plots.curves import Curve, Panel, draw_curves
from vitnas.reporting.plots.picture import Picture
from vitnas.reporting.plots.scale import scale_of
from vitnas.reporting.views.page import block
from vitnas.search_spaces.answers import metrics


def to_frame(archs: ArchTable[ArchResult]) -> pd.DataFrame:
    """A row an arch by its name: figures, id and genes."""
    rows = [{**one.figures(), "id": one.arch.id, **flat_genes(one.arch.to_json())} for one in archs]
    return pd.DataFrame(rows, index=pd.Index([one.name for one in archs], name="name"))


def to_html(archs: ArchTable[ArchResult]) -> str:
    rows = [{name: _cell(name, value) for name, value in one.figures().items()} for one in archs]
    table = pd.DataFrame(rows, index=pd.Index([one.name for one in archs], name="name"))
    spaces = " and ".join(dict.fromkeys(one.arch.space for one in archs))
    return block(f"{len(archs)} archs of {spaces}" if len(archs) != 1 else f"An arch of {spaces}", table)


def plot(archs: ArchTable[ArchResult]) -> Picture:
    """The first figure of each arch: against latency or parameters where it has them, or as bars."""
    figures = {one.name: one.figures() for one in archs}
    names = list(next(iter(figures.values())))
    worth = names[0]
    costs = [name for name in names if name.startswith("latency_ms")] + [n for n in ("num_params",) if n in names]
    scale = scale_of(worth)
    if worth not in metrics() or not costs:
        return plot_bars({name: each[worth] * scale.factor for name, each in figures.items()}, scale.label, worth)
    x = scale_of(costs[0])
    points = np.array([[each[costs[0]] * x.factor, each[worth] * scale.factor] for each in figures.values()])
    errors = np.array([[0.0, each.get(f"{worth}_std", 0.0) * scale.factor] for each in figures.values()])
    picks = {name: i for i, name in enumerate(figures)}
    curve = Curve("evaluated", points, picks, errors=errors)
    return draw_curves([Panel([curve], x)], scale, f"{len(figures)} evaluated archs")


def _cell(name: str, value: float) -> str:
    if name.removeprefix("test_").removesuffix("_std") in metrics():
        return f"{value:.2%}"
    return format_count(value) if name in ("num_params", "macs") else f"{value:.4g}"


def _one(found: ArchResult) -> ArchTable[Any]:
    return ArchTable.of([found])


ARCHS = View(to_frame, plot, to_html)
ARCH = View[ArchResult](
    lambda found: to_frame(_one(found)), lambda found: plot(_one(found)), lambda found: to_html(_one(found))
)
