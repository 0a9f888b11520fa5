"""Fronts drawn over two quantities: steps, marked points, and everything else that was evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import VitnasError
from vitnas.reporting.figure import FAINT, INK, MARKERS, PALETTE, check_suffix, save_figure, style
from vitnas.reporting.labels import place_labels
from vitnas.reporting.scale import Scale

Points = NDArray[np.float64]
"""``(n, 2)``: cost (less is better) and worth (more is better), in the units of the axes."""


def _no_points() -> Points:
    return np.empty((0, 2))


@dataclass(frozen=True)
class Curve:
    """One front to draw.

    Attributes:
        name: what the legend calls it.
        front: its points, in any order.
        knee: the point to mark, a row of `front`.
        evaluated: all archs that the search evaluated, drawn faintly.
        limit: the cost that the search had to keep.
    """

    name: str
    front: Points
    knee: int | None = None
    evaluated: Points = field(default_factory=_no_points)
    limit: float | None = None


def draw_curves(curves: Sequence[Curve], x: Scale, y: Scale, title: str, paths: Sequence[Path]) -> None:
    """One picture of all curves, written to every path (.png or .svg)."""
    for path in paths:
        check_suffix(path)
    if not curves or any(len(curve.front) == 0 for curve in curves):
        empty = [curve.name for curve in curves if len(curve.front) == 0]
        raise VitnasError(f"nothing to plot: {f'front {empty} has' if curves else 'there are'} no points; search first")
    if len(curves) > len(PALETTE):
        raise VitnasError(f"{len(curves)} fronts in one plot cannot be told apart; give at most {len(PALETTE)}")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(7.2, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _set_limits(axes, curves)
        hidden = _draw_evaluated(axes, curves)
        for i, curve in enumerate(curves):
            _draw_front(axes, curve, PALETTE[i], MARKERS[i])
        _draw_limits(axes, curves, x)
        axes.set_xlabel(x.label)
        axes.set_ylabel(y.label)
        rows = _add_legend(axes, hidden)
        axes.set_title(title, loc="left", pad=10 + 16 * rows, fontsize=13, fontweight="bold")
        figure.draw_without_rendering()
        _label_knees(axes, curves, x, y)
        for path in paths:
            save_figure(figure, path)


def _set_limits(axes: Any, curves: Sequence[Curve]) -> None:
    """Shows the fronts at a useful scale, however bad some evaluated archs are."""
    fronts = np.concatenate([c.front for c in curves])
    shown = np.concatenate([fronts, *(c.evaluated for c in curves)])
    limits = [c.limit for c in curves if c.limit is not None]
    left, right = min(shown[:, 0]), max([*shown[:, 0], *limits])
    low, high = fronts[:, 1].min(), fronts[:, 1].max()
    room = max(high - low, 0.01 * abs(high)) / 2
    bottom = min(low, max(np.quantile(shown[:, 1], 0.02), low - room))
    across = 0.05 * (right - left) or 0.1 * abs(right) or 1.0
    up = 0.07 * (high - bottom) or room or 1.0
    axes.set_xlim(left - across, right + across)
    axes.set_ylim(bottom - up, high + up)


def _draw_evaluated(axes: Any, curves: Sequence[Curve]) -> int:
    """The archs off the fronts; returns how many lie below the axes."""
    bottom = axes.get_ylim()[0]
    hidden = 0
    for i, curve in enumerate(curves):
        x, y = curve.evaluated[:, 0], curve.evaluated[:, 1]
        hidden += int(np.count_nonzero(y < bottom))
        colour = FAINT if len(curves) == 1 else PALETTE[i]
        axes.scatter(x, y, s=12, color=colour, alpha=0.28, linewidths=0, zorder=2)
    return hidden


def _draw_front(axes: Any, curve: Curve, colour: str, marker: str) -> None:
    """Steps: the best that is to be had for each cost, whatever the points are worth to a third objective."""
    order = np.lexsort((-curve.front[:, 1], curve.front[:, 0]))
    x, y = curve.front[order, 0], curve.front[order, 1]
    axes.step(x, np.maximum.accumulate(y), where="post", color=colour, linewidth=1.6, zorder=3)
    axes.plot(
        x,
        y,
        marker,
        color=colour,
        markersize=5.5,
        markeredgecolor="white",
        markeredgewidth=0.7,
        zorder=4,
        label=curve.name,
    )
    if curve.knee is not None:
        at = curve.front[curve.knee]
        axes.plot(at[0], at[1], marker, color=colour, markersize=10, markeredgecolor=INK, markeredgewidth=1.4, zorder=5)


def _draw_limits(axes: Any, curves: Sequence[Curve], x: Scale) -> None:
    for limit in sorted({c.limit for c in curves if c.limit is not None}):
        axes.axvline(limit, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"limit {x.text(limit)}",
            (limit, 0),
            xycoords=("data", "axes fraction"),
            xytext=(-4, 5),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=9,
            color=FAINT,
        )


def _add_legend(axes: Any, hidden: int) -> int:
    """Above the axes, where no point can lie under it; returns its number of rows."""
    from matplotlib.lines import Line2D

    handles, names = axes.get_legend_handles_labels()
    if any(len(dots.get_offsets()) for dots in axes.collections):
        handles.append(
            Line2D([], [], marker="o", linestyle="", markersize=4.5, color=FAINT, alpha=0.5, markeredgewidth=0)
        )
        names.append(f"evaluated archs{f' ({hidden} below the axis)' if hidden else ''}")
    columns = len(names) if sum(len(name) + 6 for name in names) < 90 else 2
    axes.legend(
        handles,
        names,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=columns,
        borderpad=0,
        borderaxespad=0.6,
        handlelength=1,
        handletextpad=0.5,
        columnspacing=1.6,
    )
    return -(-len(names) // columns)


def _label_knees(axes: Any, curves: Sequence[Curve], x: Scale, y: Scale) -> None:
    marked = [c for c in curves if c.knee is not None]
    if not marked:
        return
    anchors = np.array([c.front[c.knee] for c in marked])
    texts = [f"knee: {x.text(cost)}, {y.text(worth)}" for cost, worth in anchors]
    bottom, top = axes.get_ylim()
    heights = np.linspace(bottom, top, 200)
    limits = [np.column_stack([np.full(200, c.limit), heights]) for c in curves if c.limit is not None]
    lines = np.concatenate([_steps(c.front) for c in curves] + limits)
    dots = np.concatenate([c.evaluated for c in curves])
    place_labels(axes, anchors, texts, lines, dots)


def _steps(front: Points) -> Points:
    """Points along the drawn line, dense enough that a label cannot slip between two of them."""
    ordered = front[np.lexsort((-front[:, 1], front[:, 0]))]
    ordered[:, 1] = np.maximum.accumulate(ordered[:, 1])
    corners = np.repeat(ordered, 2, axis=0)[1:]
    corners[::2] = ordered
    corners[1::2, 0], corners[1::2, 1] = ordered[1:, 0], ordered[:-1, 1]
    along = np.linspace(0, 1, 12)[:, None]
    parts = [a + (b - a) * along for a, b in pairwise(corners)]
    return np.concatenate([ordered, *parts])
