"""Fronts drawn over two quantities: steps, marked points, and everything else that was evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import VitnasError
from vitnas.reporting.plots.figure import FAINT, INK, MARKERS, PALETTE, check_suffix, save_figure, style
from vitnas.reporting.plots.labels import place_labels
from vitnas.reporting.plots.scale import Scale

if TYPE_CHECKING:
    from vitnas.reporting.plots.picture import Picture

MOST_PANELS = 4
MOST_NAMES = 14
"""Marked points that get a label; more would hide the picture."""
MANY = 150
"""Points of a front that lie over one another."""
GREY = "#8a8a8a"
FEWEST_ERRORS = 6
"""Standard deviations that an axis shows at least, so that differences within the error look as small as they are."""
HALO: dict[str, Any] = {"linewidth": 17, "alpha": 0.17, "solid_capstyle": "round", "solid_joinstyle": "round"}

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
        picks: points to mark and name, such as the knee, by their row in `front`.
        evaluated: all archs that the search evaluated, drawn faintly.
        limit: the cost that the search had to keep.
        errors: standard deviations of the points of the front, zero where they are not known.
        groups: rows of `front` that cannot be told apart.
    """

    name: str
    front: Points
    picks: Mapping[str, int] = field(default_factory=dict)
    evaluated: Points = field(default_factory=_no_points)
    limit: float | None = None
    errors: Points | None = None
    groups: Sequence[Sequence[int]] = ()

    def bars(self) -> Points:
        """The ends of the error bars, lower ones first."""
        errors = np.zeros_like(self.front) if self.errors is None else self.errors
        return np.concatenate([self.front - errors, self.front + errors])


@dataclass(frozen=True)
class Panel:
    """Curves that share both axes.

    Attributes:
        curves: at least one.
        x: what lies across.
        marked: points by name that no search here found, such as published networks.
    """

    curves: Sequence[Curve]
    x: Scale
    marked: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def draw_curves(panels: Sequence[Panel], y: Scale, title: str, paths: Sequence[Path] = ()) -> Picture:
    """One picture of all panels side by side, written to every path (.png or .svg).

    Curves of one name look alike in all panels.
    """
    for path in paths:
        check_suffix(path)
    curves = [curve for panel in panels for curve in panel.curves]
    if not curves or any(len(curve.front) == 0 for curve in curves):
        empty = [curve.name for curve in curves if len(curve.front) == 0]
        raise VitnasError(f"nothing to plot: {f'front {empty} has' if curves else 'there are'} no points; search first")
    names = list(dict.fromkeys(curve.name for curve in curves))
    most = max(len(names), *(len(panel.curves) for panel in panels))
    if most > len(PALETTE):
        raise VitnasError(f"{most} fronts in one plot cannot be told apart; give at most {len(PALETTE)}")
    if len(panels) > MOST_PANELS:
        raise VitnasError(f"{len(panels)} devices side by side leave no room; give fronts of at most {MOST_PANELS}")
    from vitnas.reporting.plots.picture import Picture

    width = 7.2 if len(panels) == 1 else 4.8 * len(panels)
    with style():
        figure = Picture(figsize=(width, 4.8), layout="constrained")
        subplots = figure.subplots(1, len(panels), squeeze=False)[0]
        low, high = _heights(curves, panels)
        hidden = 0
        for axes, panel in zip(subplots, panels, strict=True):
            axes.set_xlim(*_widths(panel))
            axes.set_ylim(low, high)
            looks = [names.index(curve.name) for curve in panel.curves]
            hidden += _draw_evaluated(axes, panel.curves, [FAINT if len(names) == 1 else PALETTE[i] for i in looks])
            _draw_marked(axes, panel.marked)
            for i, curve in zip(looks, panel.curves, strict=True):
                _draw_front(axes, curve, PALETTE[i], MARKERS[i], _picks(curve, panel).values())
            _draw_limits(axes, panel.curves, panel.x)
            axes.set_xlabel(panel.x.label)
        subplots[0].set_ylabel(y.label)
        rows = _add_legend(subplots, panels, hidden, width)
        subplots[0].set_title(title, loc="left", pad=10 + 16 * rows, fontsize=13, fontweight="bold")
        figure.draw_without_rendering()
        for axes, panel in zip(subplots, panels, strict=True):
            _label(axes, panel, y)
        for path in paths:
            save_figure(figure, path)
    return figure


def _widths(panel: Panel) -> tuple[float, float]:
    shown = np.concatenate([points[:, 0] for c in panel.curves for points in (c.bars(), c.evaluated)])
    limits = [c.limit for c in panel.curves if c.limit is not None]
    marked = [x for x, _ in panel.marked.values()]
    left, right = _at_least([*shown, *marked], [*shown, *limits, *marked], panel.curves, 0)
    room = 0.05 * (right - left) or 0.1 * abs(right) or 1.0
    return left - room, right + room


def _heights(curves: Sequence[Curve], panels: Sequence[Panel]) -> tuple[float, float]:
    """Shows the fronts at a useful scale, however bad some evaluated archs are."""
    fronts = np.concatenate([c.bars()[:, 1] for c in curves])
    shown = np.concatenate([fronts, *(c.evaluated[:, 1] for c in curves)])
    marked = [y for panel in panels for _, y in panel.marked.values()]
    low, high = float(fronts.min()), float(fronts.max())
    room = max(high - low, 0.01 * abs(high)) / 2
    bottom = min([low, max(float(np.quantile(shown, 0.02)), low - room), *marked])
    bottom, top = _at_least([bottom], [high, *marked], curves, 1)
    up = 0.07 * (top - bottom) or room or 1.0
    return bottom - up, top + up


def _at_least(lows: Sequence[float], highs: Sequence[float], curves: Sequence[Curve], axis: int) -> tuple[float, float]:
    """From the least to the most, or so far around their middle that it is `FEWEST_ERRORS` of a point of the fronts."""
    low, high = float(min(lows)), float(max(highs))
    errors = [c.errors[:, axis] for c in curves if c.errors is not None]
    least = FEWEST_ERRORS * float(np.median(np.concatenate(errors))) if errors else 0.0
    more = max(least - (high - low), 0.0) / 2
    return low - more, high + more


def _draw_evaluated(axes: Any, curves: Sequence[Curve], colours: Sequence[str]) -> int:
    """The archs off the fronts; returns how many lie below the axes."""
    bottom = axes.get_ylim()[0]
    hidden = 0
    for curve, colour in zip(curves, colours, strict=True):
        x, y = curve.evaluated[:, 0], curve.evaluated[:, 1]
        hidden += int(np.count_nonzero(y < bottom))
        axes.scatter(x, y, s=12, color=colour, alpha=0.28, linewidths=0, zorder=2)
    return hidden


def _draw_marked(axes: Any, marked: Mapping[str, tuple[float, float]]) -> None:
    if marked:
        x, y = np.array(list(marked.values())).T
        axes.plot(
            x, y, "o", color=GREY, markersize=6, markeredgecolor="white", markeredgewidth=0.7, zorder=3, label="given"
        )


def _draw_front(axes: Any, curve: Curve, colour: str, marker: str, picked: Iterable[int]) -> None:
    """Steps: the best that is to be had for each cost, whatever the points are worth to a third objective."""
    order = np.lexsort((-curve.front[:, 1], curve.front[:, 0]))
    x, y = curve.front[order, 0], curve.front[order, 1]
    axes.step(x, np.maximum.accumulate(y), where="post", color=colour, linewidth=1.6, zorder=3)
    for group in curve.groups:
        rows = curve.front[sorted(group, key=lambda i: tuple(curve.front[i]))]
        axes.plot(rows[:, 0], rows[:, 1], color=colour, zorder=2.5, **HALO)
    if curve.errors is not None:
        across, up = curve.errors[order].T
        axes.errorbar(x, y, yerr=up, xerr=across, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.45, zorder=3)
    many = len(x) > MANY  # white rims would hide the points below them
    size = {"markersize": 3 if many else 5.5, "markeredgecolor": "white", "markeredgewidth": 0 if many else 0.7}
    axes.plot(x, y, marker, color=colour, zorder=4, label=curve.name, **size)
    for row in picked:
        at = curve.front[row]
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


def _add_legend(subplots: Sequence[Any], panels: Sequence[Panel], hidden: int, width: float) -> int:
    """Above the axes, where no point can lie under it; returns its number of rows."""
    from matplotlib.collections import PathCollection
    from matplotlib.lines import Line2D

    shown: dict[str, Any] = {}
    for axes in subplots:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            shown.setdefault(name, handle)
    dots: list[Any] = [c for axes in subplots for c in axes.collections if isinstance(c, PathCollection)]
    if any(len(each.get_offsets()) for each in dots):
        name = f"evaluated archs{f' ({hidden} below the axis)' if hidden else ''}"
        shown[name] = Line2D(
            [], [], marker="o", linestyle="", markersize=4.5, color=FAINT, alpha=0.5, markeredgewidth=0
        )
    curves = [curve for panel in panels for curve in panel.curves]
    if any(curve.groups for curve in curves):
        colour = INK if len({curve.name for curve in curves}) > 1 else PALETTE[0]
        shown["cannot be told apart"] = Line2D(
            [], [], color=colour, linewidth=9, alpha=2 * HALO["alpha"], solid_capstyle="butt"
        )
    columns = len(shown) if sum(len(name) + 6 for name in shown) < 12.5 * width else 2
    subplots[0].legend(
        shown.values(),
        shown.keys(),
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=columns,
        borderpad=0,
        borderaxespad=0.6,
        handlelength=1,
        handletextpad=0.5,
        columnspacing=1.6,
    ).set_in_layout(False)
    return -(-len(shown) // columns)


def _label(axes: Any, panel: Panel, y: Scale) -> None:
    """Names the picks and the marked points, each where it hides the least."""
    curves = panel.curves
    picked = [(c.front[row], text) for c in curves for row, text in _pick_texts(c, panel, y).items()]
    named = dict(list(panel.marked.items())[:MOST_NAMES])
    anchors = np.array([*(at for at, _ in picked), *named.values()])
    if len(anchors) == 0:
        return
    bottom, top = axes.get_ylim()
    heights = np.linspace(bottom, top, 200)
    limits = [np.column_stack([np.full(200, c.limit), heights]) for c in curves if c.limit is not None]
    lines = np.concatenate([_steps(c.front) for c in curves] + limits)
    dots = np.concatenate([*(c.evaluated for c in curves), np.array([*panel.marked.values()]).reshape(-1, 2)])
    place_labels(axes, anchors, [*(text for _, text in picked), *named], lines, dots)


def _picks(curve: Curve, panel: Panel) -> dict[str, int]:
    """What is marked: of several curves one pick each, the knee if there is one."""
    return dict(list(curve.picks.items())[: 1 if len(panel.curves) > 1 else None])


def _pick_texts(curve: Curve, panel: Panel, y: Scale) -> dict[int, str]:
    """Row -> what is said of it."""
    picks, found = _picks(curve, panel), {}
    for row in dict.fromkeys(picks.values()):
        cost, worth = curve.front[row]
        names = ", ".join(name for name, at in picks.items() if at == row)
        group = next((len(rows) for rows in curve.groups if row in rows), 1)
        within = f"\n{group} points within the error" if group > 1 else ""
        found[row] = f"{names}: {panel.x.text(cost)}, {y.text(worth)}{within}"
    return found


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
