"""The Pareto fronts of one or several searches as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vitnas.errors import DataError, SearchError
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.quantity import Quantity
from vitnas.reporting.baselines import Baseline
from vitnas.reporting.evaluated import Evaluated
from vitnas.reporting.plots.curves import Curve, Panel, draw_curves
from vitnas.reporting.plots.scale import Scale, scale_of

if TYPE_CHECKING:
    from vitnas.reporting.plots.picture import Picture


def plot_fronts(
    fronts: Mapping[str, ParetoFront],
    paths: Sequence[Path] = (),
    *,
    evaluated: Mapping[str, Evaluated] | None = None,
    baselines: Sequence[Baseline] = (),
    title: str = "",
) -> Picture:
    """Draws what the fronts maximise against what they minimise, accuracy against latency as a rule.

    Fronts of different devices stand side by side, each with an axis of its own. Bars are standard deviations, a
    halo joins points that cannot be told apart, and axes show no less than a few errors; the limit that a search kept
    on the x axis is drawn too.

    Args:
        fronts: by the name that the legend gives them.
        paths: files to write, each ending in .png or .svg.
        evaluated: for some of the fronts, what the search evaluated; its archs are drawn faintly.
        baselines: networks found elsewhere, drawn in grey.
        title: above the picture; the search space when left out.
    """
    if not fronts:
        raise SearchError("there is no front to plot; give a front.json that a search wrote")
    cost, worth = _quantities(fronts)
    x, y = _scale(cost, fronts), _scale(worth, fronts)
    devices = {name: front.config.get("origin", {}).get("device") for name, front in fronts.items()}
    quantity = Quantity.parse(cost)
    of_device = quantity.device is None and quantity.is_of_a_device
    groups = list(dict.fromkeys(devices.values())) if of_device else [None]
    panels = []
    for device in groups:
        curves = [
            _curve(name.removesuffix(f", {device} alone"), front, (evaluated or {}).get(name), cost, worth, x, y)
            for name, front in fronts.items()
            if not of_device or devices[name] == device
        ]
        curves += [
            _of_cascades(name, front, cost, worth, x, y)
            for name, front in fronts.items()
            if front.cascades and (not of_device or devices[name] == device)
        ]
        own = replace(x, title=f"{x.title} on {device}") if device and of_device else x
        column = str(quantity.on(device, groups)) if of_device else cost
        panels.append(Panel(curves, own, _marked(baselines, column, worth, x, y)))
    if baselines and not any(panel.marked for panel in panels):
        columns = [str(quantity.on(device, groups)) for device in groups] if of_device else [cost]
        had = list(dict.fromkeys(name for one in baselines for name in one.figures))
        raise DataError(f"no baseline has both {worth} and {' or '.join(columns)}; add the column, there are {had}")
    spaces = " and ".join(dict.fromkeys(front.space for front in fronts.values()))
    return draw_curves(panels, y, title or f"Pareto front of {spaces}", paths)


def _curve(
    name: str, front: ParetoFront, evaluated: Evaluated | None, cost: str, worth: str, x: Scale, y: Scale
) -> Curve:
    factors = [x.factor, y.factor]
    limit = front.config.get("limits", {}).get(cost)
    at = {point.arch.id: i for i, point in enumerate(front.points)}
    others = evaluated.columns([cost, worth], f"front '{name}'") if evaluated is not None else np.empty((0, 2))
    return Curve(
        name,
        np.array([[p.objectives[cost], p.objectives[worth]] for p in front.points]) * factors,
        {n: front.points.index(p) for n, p in (("knee", front.knee()), ("best", front.best())) if p is not None},
        others[np.isfinite(others).all(axis=1)] * factors,
        None if limit is None else limit * x.factor,
        np.array([[p.errors.get(cost, 0.0), p.errors.get(worth, 0.0)] for p in front.points]) * factors,
        [[at[p.arch.id] for p in group.points] for group in front.groups() if len(group.points) > 1],
    )


def _of_cascades(name: str, front: ParetoFront, cost: str, worth: str, x: Scale, y: Scale) -> Curve:
    """The cascades that stand beside the archs of a front; their milliseconds are expected ones."""
    factors, cascades = [x.factor, y.factor], front.cascades
    return Curve(
        f"{name}, cascades",
        np.array([[one.objectives[cost], one.objectives[worth]] for one in cascades]) * factors,
        errors=np.array([[one.errors.get(cost, 0.0), one.errors.get(worth, 0.0)] for one in cascades]) * factors,
    )


def _marked(baselines: Sequence[Baseline], cost: str, worth: str, x: Scale, y: Scale) -> dict[str, tuple[float, float]]:
    return {
        one.name: (one.figures[cost] * x.factor, one.figures[worth] * y.factor)
        for one in baselines
        if cost in one.figures and worth in one.figures
    }


def _quantities(fronts: Mapping[str, ParetoFront]) -> tuple[str, str]:
    """What goes on the axes: the latency or first cost, and the first objective to maximise, that all fronts have."""
    first = next(iter(fronts.values()))
    common = [o for o in first.objectives if all(o in front.objectives for front in fronts.values())]
    costs = [o.name for o in common if o.direction == "minimise"]
    worths = [o.name for o in common if o.direction == "maximise"]
    if not costs or not worths:
        had = {name: [f"{o.direction} {o.name}" for o in front.objectives] for name, front in fronts.items()}
        raise SearchError(f"a plot needs one objective to minimise and one to maximise in all fronts; they have {had}")
    return next((name for name in costs if Quantity.parse(name).is_latency), costs[0]), worths[0]


def _scale(quantity: str, fronts: Mapping[str, ParetoFront]) -> Scale:
    """Says so on the axis when no figure on it was measured."""
    scale = scale_of(quantity)
    origins = {point.provenance.get(quantity) for front in fronts.values() for point in front.points}
    return (
        replace(scale, title=f"Predicted {scale.title[0].lower()}{scale.title[1:]}")
        if origins == {"predicted"}
        else scale
    )
