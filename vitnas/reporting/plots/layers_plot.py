"""The layers of a latency table as a picture: what each takes against what it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitnas.latency_lut.features import kind_of
from vitnas.latency_lut.table import LatencyTable
from vitnas.reporting.plots.figure import FAINT, MARKERS, PALETTE, style

if TYPE_CHECKING:
    from vitnas.reporting.plots.picture import Picture


def plot_layers(table: LatencyTable) -> Picture:
    """Draws milliseconds against MACs on logarithmic axes; kinds beyond the seven dearest are grey."""
    from vitnas.reporting.plots.picture import Picture

    points: dict[str, list[tuple[float, float]]] = {}
    for row in table.rows:
        if row.macs and row.timing.median_ms > 0:
            points.setdefault(kind_of(row.spec), []).append((row.macs / 1e6, row.timing.median_ms))
    dearest = sorted(points, key=lambda kind: -sum(ms for _, ms in points[kind]))
    with style():
        figure = Picture(figsize=(7.2, 4.8), layout="constrained")
        axes = figure.add_subplot()
        for i, kind in enumerate(dearest):
            macs, ms = zip(*points[kind], strict=True)
            known = i < len(PALETTE)
            colour, marker = (PALETTE[i], MARKERS[i]) if known else (FAINT, ".")
            axes.scatter(macs, ms, s=20, marker=marker, color=colour, alpha=0.7, label=kind if known else None)
        axes.set(xscale="log", yscale="log", xlabel="MACs (M)", ylabel="Latency of the layer (ms)")
        axes.set_title(f"Layers of {table.header.space} on {table.header.device}", loc="left", fontweight="bold")
        axes.legend(loc="upper left", fontsize=8)
    return figure
