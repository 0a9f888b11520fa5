"""The Pareto fronts of one or several searches as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError, suggest
from vitnas.nas.pareto import ParetoFront, Point
from vitnas.reporting.curves import Curve, Points, draw_curves
from vitnas.reporting.scale import Scale, scale_of


def plot_fronts(
    fronts: Mapping[str, ParetoFront],
    paths: Sequence[Path],
    *,
    evaluated: Mapping[str, Path] | None = None,
    title: str = "",
) -> None:
    """Draws what the fronts maximise against what they minimise, accuracy against latency as a rule.

    The limit that a search kept on the x axis is drawn too, and the axis names the device.

    Args:
        fronts: by the name that the legend gives them.
        paths: files to write, each ending in .png or .svg.
        evaluated: for some of the fronts, the evaluations.parquet of the search; its archs are
            drawn faintly.
        title: above the picture; the search space when left out.
    """
    if not fronts:
        raise SearchError("there is no front to plot; give a front.json that a search wrote")
    cost, worth = _quantities(fronts)
    x, y = _scale(cost, fronts), _scale(worth, fronts)
    devices = {front.config.get("origin", {}).get("device") for front in fronts.values()}
    if "latency" in cost and len(devices) == 1 and None not in devices:
        x = replace(x, title=f"{x.title} on {devices.pop()}")
    curves = []
    for name, front in fronts.items():
        table = (evaluated or {}).get(name)
        limit = front.config.get("limits", {}).get(cost)
        curves.append(
            Curve(
                name,
                _points(front.points, cost, worth) * [x.factor, y.factor],
                front.points.index(front.knee()),
                read_evaluated(table, cost, worth) * [x.factor, y.factor] if table else np.empty((0, 2)),
                None if limit is None else limit * x.factor,
            )
        )
    spaces = " and ".join(dict.fromkeys(front.space for front in fronts.values()))
    draw_curves(curves, x, y, title or f"Pareto front of {spaces}", paths)


def read_evaluated(path: Path, cost: str, worth: str) -> Points:
    """Two columns of an evaluations.parquet; rows without a figure are left out."""
    import pyarrow
    from pyarrow import parquet

    try:
        names = parquet.read_schema(path).names
        missing = [name for name in (cost, worth) if name not in names]
        if missing:
            raise SearchError(f"'{path}' has no column '{missing[0]}'; {suggest(missing[0], names)}")
        table = parquet.read_table(path, columns=[cost, worth])
    except (OSError, pyarrow.ArrowException) as error:
        raise SearchError(f"cannot read the evaluations '{path}': {error}; check the path or search again") from None
    rows: NDArray[np.float64] = np.column_stack([np.asarray(table[name], dtype=np.float64) for name in (cost, worth)])
    return rows[np.isfinite(rows).all(axis=1)]


def _quantities(fronts: Mapping[str, ParetoFront]) -> tuple[str, str]:
    """What goes on the axes: the latency or first cost, and the first objective to maximise, that all fronts have."""
    first = next(iter(fronts.values()))
    common = [o for o in first.objectives if all(o in front.objectives for front in fronts.values())]
    costs = [o.name for o in common if o.direction == "minimise"]
    worths = [o.name for o in common if o.direction == "maximise"]
    if not costs or not worths:
        had = {name: [f"{o.direction} {o.name}" for o in front.objectives] for name, front in fronts.items()}
        raise SearchError(f"a plot needs one objective to minimise and one to maximise in all fronts; they have {had}")
    return next((name for name in costs if "latency" in name), costs[0]), worths[0]


def _scale(quantity: str, fronts: Mapping[str, ParetoFront]) -> Scale:
    """Says so on the axis when no figure on it was measured."""
    scale = scale_of(quantity)
    origins = {point.provenance.get(quantity) for front in fronts.values() for point in front.points}
    return (
        replace(scale, title=f"Predicted {scale.title[0].lower()}{scale.title[1:]}")
        if origins == {"predicted"}
        else scale
    )


def _points(points: Sequence[Point], cost: str, worth: str) -> Points:
    return np.array([[point.objectives[cost], point.objectives[worth]] for point in points], dtype=np.float64)
