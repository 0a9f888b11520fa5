"""The result of a search in a notebook."""

from __future__ import annotations

import pandas as pd

from vitnas.display import View
from vitnas.nas.run_search import SearchResult
from vitnas.reporting.evaluated import flat_genes, read_evaluated
from vitnas.reporting.plots.pareto_plot import plot_fronts
from vitnas.reporting.plots.picture import Picture
from vitnas.reporting.results import EVALUATIONS
from vitnas.reporting.views import front


def to_frame(found: SearchResult) -> pd.DataFrame:
    """A row an evaluated arch, in the order of asking: its figures, whether it is on the front, and its genes."""
    evaluated = read_evaluated(found.folder / EVALUATIONS)
    best = {point.arch.id for point in found.front.points}
    table = pd.DataFrame(dict(evaluated.figures), index=pd.Index(evaluated.ids, name="arch"))
    table["on_front"] = [arch_id in best for arch_id in evaluated.ids]
    genes = pd.DataFrame([flat_genes(arch) for arch in evaluated.archs], index=table.index)
    return pd.concat([table, genes], axis=1)


def to_html(found: SearchResult) -> str:
    return front.to_html(found.front)


def plot(found: SearchResult) -> Picture:
    """The front among all that was evaluated; of several devices the front of each, side by side."""
    if found.of_devices:
        return plot_fronts(found.of_devices)
    name = found.front.space
    return plot_fronts({name: found.front}, evaluated={name: read_evaluated(found.folder / EVALUATIONS)})


VIEW = View(to_frame, plot, to_html)
