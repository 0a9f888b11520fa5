"""How a training went, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitnas.errors import DataError
from vitnas.reporting.plots.figure import MARKERS, PALETTE, style
from vitnas.search_spaces.answers import metrics, word_of
from vitnas.supernets.judgement import ACCURACY

if TYPE_CHECKING:
    import pandas as pd

    from vitnas.reporting.plots.picture import Picture


def plot_training(table: pd.DataFrame, name: str) -> Picture:
    """Draws the losses, and beside them the metric of the subnets that were looked at.

    Args:
        table: a row a step, with columns such as ``loss`` and ``largest_accuracy``.
        name: of the run.
    """
    losses = {column: column.replace("_", " ") for column in ("loss", "label_loss") if column in table}
    judged = {
        column: column.removesuffix(f"_{metric}")
        for metric in metrics()
        for column in map(str, table)
        if column.endswith(f"_{metric}")
    }
    metric = next((name for name in metrics() if any(column.endswith(f"_{name}") for column in judged)), ACCURACY)
    title = word_of(metric)
    if not losses:
        raise DataError(f"run '{name}' has recorded no step yet, so there is nothing to draw; train it first")
    from vitnas.reporting.plots.picture import Picture

    with style():
        figure = Picture(figsize=(9.6, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes, curves, factor, label in (
            (left, losses, 1, "Training loss"),
            (right, judged, 100, f"Validation {title} (%)"),
        ):
            for (column, legend), colour, marker in zip(curves.items(), PALETTE, MARKERS, strict=False):
                curve = table[column].dropna()
                axes.plot(curve.index, factor * curve, color=colour, linewidth=1.4, label=legend)
                axes.plot(curve.index[-1], factor * curve.iloc[-1], marker, color=colour, markersize=5)
            axes.set(xlabel="Steps", ylabel=label)
            if curves:
                axes.legend()
        figure.suptitle(f"Training of {name}", x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure
