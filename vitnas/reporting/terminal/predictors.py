"""How well a predictor does on archs it has not seen: for the terminal and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitnas.nas.fit_predictor import PredictorFit
from vitnas.predictors.regressor import INSIDE_90
from vitnas.reporting.plots.figure import FAINT, MARKERS, PALETTE, save_figure, style
from vitnas.reporting.terminal.tables import console, print_table

if TYPE_CHECKING:
    from vitnas.reporting.plots.picture import Picture


def describe_fit(fit: PredictorFit) -> dict[str, Any]:
    """The report as data, with the warning it deserves, if any."""
    return {**asdict(fit), "warning": fit.report.warning}


def print_fit(described: dict[str, Any]) -> None:
    """Held-out figures, what an automatic choice settled on, and the warning."""
    report, winner = described["report"], described["winner"]
    name = described["predictor"] + (f" ({winner['predictor']} of {winner['tried']} tried)" if winner else "")
    print(
        f"{name} predictor of {described['quantity']}, fitted to {len(described['archs'])} archs of {described['space']}"
        + (f"; {described['failed']} more could not be evaluated" if described["failed"] else "")
    )
    if winner and winner["options"]:
        print("  " + ", ".join(f"{key} {value:.3g}" for key, value in winner["options"].items()))
    if winner:
        print(f"  when it was chosen: Kendall tau {winner['kendall']:.3f}, mean absolute error {winner['mae']:.4g}")
    print_table(["on archs it had not seen"], [""], figures_of(report))
    if described["warning"]:
        console().print(described["warning"], style="bold red")


def figures_of(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a report says of archs that the fit had not seen, by name."""
    return [
        ("Kendall tau", f"{report['kendall']:.3f}"),
        ("  of the number of parameters", f"{report['kendall_of_params']:.3f}"),
        ("Spearman", f"{report['spearman']:.3f}"),
        ("mean absolute error", f"{report['mae']:.4g}"),
        ("regret of the ten best", f"{report['top10_regret']:.4g}"),
        ("inside the 90 % interval", f"{report['covered']:.0%}"),
    ]


def plot_fit(fit: PredictorFit, *paths: Path) -> Picture:
    """Draws predicted against true scores of held-out archs with 90 % intervals, written to every path (.png or .svg)."""
    from vitnas.reporting.plots.picture import Picture

    true, predicted, std = (np.array(each) for each in (fit.scores, fit.predicted, fit.std))
    report = fit.report
    low = min(true.min(), predicted.min())
    high = max(true.max(), predicted.max())
    margin = 0.05 * max(float(high - low), 1e-6)
    ends = np.array([low - margin, high + margin])
    with style():
        figure = Picture(figsize=(5.6, 5.2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(ends, ends, color=FAINT, linewidth=1)
        axes.errorbar(
            true,
            predicted,
            yerr=INSIDE_90 * std,
            fmt=MARKERS[0],
            markersize=4,
            color=PALETTE[0],
            ecolor=FAINT,
            elinewidth=0.6,
            alpha=0.8,
            label="held out, with 90 % interval",
        )
        axes.set(xlabel=f"Evaluated {fit.quantity}", ylabel=f"Predicted {fit.quantity}", xlim=ends)
        axes.set_title(
            f"{fit.predictor} predictor on {fit.space}\nKendall {report.kendall:.3f}, error {report.mae:.4g}, "
            f"{report.covered or 0:.0%} inside",
            fontsize=10,
        )
        axes.legend(loc="upper left")
        for path in paths:
            save_figure(figure, path)
    return figure
