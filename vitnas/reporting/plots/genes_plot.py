"""Genes as a picture: what they move, and which choices the front makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitnas.errors import SearchError
from vitnas.nas.pareto.front import ParetoFront
from vitnas.reporting.evaluated import flat_genes, gene_names
from vitnas.reporting.influence import influences
from vitnas.reporting.plots.figure import FAINT, INK, PALETTE, check_suffix, save_figure, style
from vitnas.reporting.plots.scale import scale_of
from vitnas.reporting.results import Result

MOST_GENES = 60
MOST_TEXT = 16
"""Points of a front whose choices are written into the cells."""


def plot_genes(result: Result, paths: Sequence[Path], title: str = "") -> None:
    """Draws, a row a gene, how much of each objective its choice explains, and its choices along the front."""
    for path in paths:
        check_suffix(path)
    from matplotlib.figure import Figure

    front, evaluated = result.front, result.evaluated
    names = gene_names(evaluated.archs)
    genes = [flat_genes(arch) for arch in evaluated.archs]
    names = [name for name in names if len({one[name] for one in genes if name in one}) > 1]
    if not names:
        raise SearchError(f"no gene differs among the archs of '{result.name}'; search with more --evaluations")
    explained = {o.name: influences(genes, names, evaluated.figures[o.name]) for o in front.objectives}
    if len(names) > MOST_GENES:  # those that matter, still in the order of the network
        strongest = sorted(names, key=lambda name: -max(each[name] for each in explained.values()))[:MOST_GENES]
        names = [name for name in names if name in strongest]
    with style():
        figure = Figure(figsize=(9.6, 1.7 + 0.24 * len(names)), layout="constrained")
        bars, cells = figure.subplots(1, 2, width_ratios=(1, 1.7), sharey=True)
        _draw_influences(bars, names, explained)
        _draw_choices(cells, names, genes, [flat_genes(p.arch.to_json()) for p in front.points])
        bars.set_yticks(range(len(names)), names)
        bars.set_ylim(len(names) - 0.5, -0.5)
        _name_picks(cells, front)
        figure.suptitle(
            title or f"Genes of {front.space}: {result.name}", x=0.01, ha="left", fontsize=13, fontweight="bold"
        )
        for path in paths:
            save_figure(figure, path)


def _draw_influences(axes: Any, names: Sequence[str], explained: dict[str, dict[str, float]]) -> None:
    height = 0.8 / len(explained)
    for i, (quantity, shares) in enumerate(explained.items()):
        at = np.arange(len(names)) - 0.4 + height * (i + 0.5)
        widths = [100 * shares[name] for name in names]
        axes.barh(at, widths, height=height, color=PALETTE[i % len(PALETTE)], label=scale_of(quantity).title)
    axes.set_xlabel("Variance explained by the gene alone (%)")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.3, ncols=1, handlelength=1)


def _draw_choices(
    axes: Any, names: Sequence[str], genes: Sequence[dict[str, Any]], points: Sequence[dict[str, Any]]
) -> None:
    """The stronger the colour, the larger the choice among all that were evaluated; blank where a gene is off."""
    from matplotlib.colors import LinearSegmentedColormap

    ranks = np.full((len(names), len(points)), np.nan)
    for row, name in enumerate(names):
        choices = _ordered({one[name] for one in genes if name in one})
        for column, point in enumerate(points):
            if name in point:
                ranks[row, column] = choices.index(point[name]) / (len(choices) - 1)
    blues = LinearSegmentedColormap.from_list("choices", ["#e8f1f8", PALETTE[0]])
    axes.pcolormesh(
        np.arange(len(points) + 1) - 0.5, np.arange(len(names) + 1) - 0.5, ranks, cmap=blues, vmin=0, vmax=1
    )
    if len(points) <= MOST_TEXT:
        for row, column in np.argwhere(np.isfinite(ranks)):
            text = str(points[column][names[row]])
            ink = "white" if ranks[row, column] > 0.6 else INK
            axes.text(column, row, text[:9], ha="center", va="center", fontsize=8, color=ink)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Archs of the front, from the least costly on")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_facecolor("white")
    axes.spines[:].set_color(FAINT)


def _name_picks(axes: Any, front: ParetoFront) -> None:
    named: dict[int, list[str]] = {}
    for name, point in (("best", front.best()), ("knee", front.knee())):
        if point is not None:
            named.setdefault(front.points.index(point), []).append(name)
    for column, words in named.items():
        at = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 9}
        axes.annotate("\n".join(words), (column, -0.5), (0, 3), **at)


def _ordered(choices: set[Any]) -> list[Any]:
    """Numbers by size, then words."""
    return sorted(
        choices, key=lambda one: (isinstance(one, str), one if isinstance(one, str) else float(one), str(one))
    )
