"""Hypervolume over evaluations as a picture, of one search or of several on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vitnas.errors import SearchError
from vitnas.reporting.growth import Box
from vitnas.reporting.plots.figure import MARKERS, PALETTE, check_suffix, save_figure, style
from vitnas.reporting.plots.scale import scale_of
from vitnas.reporting.results import Result


def plot_growth(results: Mapping[str, Result], paths: Sequence[Path], title: str = "") -> None:
    """Draws what each search's front dominated after every evaluation, as a share of the box of all of them."""
    for path in paths:
        check_suffix(path)
    if len(results) > len(PALETTE):
        raise SearchError(f"{len(results)} searches in one plot cannot be told apart; give at most {len(PALETTE)}")
    from matplotlib.figure import Figure

    box = Box.around(list(results.values()))
    with style():
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        axes = figure.add_subplot()
        for (name, result), colour, marker in zip(results.items(), PALETTE, MARKERS, strict=False):
            evaluations, shares = zip(*box.growth(result), strict=True)
            axes.step(evaluations, [100 * s for s in shares], where="post", color=colour, linewidth=1.6)
            axes.plot(
                evaluations[-1], 100 * shares[-1], marker, color=colour, markersize=6, label=f"{name}: {shares[-1]:.1%}"
            )
        axes.set(xlabel="Evaluations", ylabel="Hypervolume (% of the box)")
        axes.set_xlim(left=0)
        axes.legend(loc="lower right")
        weighed = " and ".join(scale_of(o.name).title.lower() for o in box.objectives)
        axes.set_title(title or f"Hypervolume of {weighed}", loc="left", fontsize=13, fontweight="bold")
        for path in paths:
            save_figure(figure, path)
