"""One figure of several things as bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vitnas.reporting.plots.figure import PALETTE, style

if TYPE_CHECKING:
    from vitnas.reporting.plots.picture import Picture


def plot_bars(values: Mapping[str, float], label: str, title: str) -> Picture:
    """Draws a bar for each name, in the order given from the top."""
    from vitnas.reporting.plots.picture import Picture

    with style():
        figure = Picture(figsize=(7.2, 1.4 + 0.26 * len(values)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(list(values), list(values.values()), color=PALETTE[0], height=0.7)
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.set_title(title, loc="left", fontweight="bold")
    return figure
