"""How far a latency table is from whole networks: for the terminal and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vitnas.errors import DeviceError
from vitnas.latency_lut.rows import WholeNetwork
from vitnas.latency_lut.table import ENOUGH, LatencyTable
from vitnas.reporting.plots.figure import FAINT, MARKERS, PALETTE, save_figure, style
from vitnas.reporting.terminal.tables import print_table

if TYPE_CHECKING:
    from vitnas.reporting.plots.picture import Picture

WORST = 5


def compared_networks(table: LatencyTable) -> list[WholeNetwork]:
    """Those that the stated error comes from."""
    fidelity = table.header.fidelity
    if fidelity is None:
        return []
    return [n for n in table.header.networks if n.held_out or fidelity.how == "left out"]


def worst_networks(table: LatencyTable, n: int = WORST) -> list[WholeNetwork]:
    """The networks that the table misses most, the worst first."""
    return sorted(compared_networks(table), key=lambda w: -abs(w.predicted_ms / w.measured_ms - 1))[:n]


def print_fidelity(table: LatencyTable) -> None:
    """What the table is made of, its error, and the networks it misses most with their archs."""
    header, fidelity = table.header, table.header.fidelity
    rows = ", ".join(f"{count} {name}" for name, count in table.provenances.items())
    print(f"{len(table.rows)} layers of {header.space} on {header.device}: {rows}")
    for kind, error in header.interpolation.items():
        print(f"  {kind}: measured layers are told from the others to {error:.1%} on average")
    if fidelity is None:
        print("not compared with whole networks")
        return
    few = f" (a rough figure: fewer than {ENOUGH})" if fidelity.networks < ENOUGH else ""
    print(f"{fidelity}{few}")
    if fidelity.covered is not None:
        print(f"within twice the stated standard deviation: {fidelity.covered:.0%}")
    lines = [
        (
            n.arch,
            _genes(n),
            f"{n.predicted_ms:.3f}",
            f"{n.measured_ms:.3f}",
            f"{n.predicted_ms / n.measured_ms - 1:+.1%}",
        )
        for n in worst_networks(table)
    ]
    print_table(("worst archs", "genes"), ("predicted ms", "measured ms", "error"), lines)


def plot_fidelity(table: LatencyTable, *paths: Path) -> Picture:
    """Draws predicted against measured latency with a band of 10 %, written to every path (.png or .svg)."""
    from vitnas.reporting.plots.picture import Picture

    header, fidelity = table.header, table.header.fidelity
    if fidelity is None:
        raise DeviceError(
            f"the '{header.device}' table was not compared with whole networks, so there is nothing to draw; "
            "profile a larger space, or with more --budget"
        )
    compared = compared_networks(table)
    fitted = [n for n in header.networks if n not in compared]
    with style():
        figure = Picture(figsize=(5.6, 5.2), layout="constrained")
        axes = figure.add_subplot()
        ends = _ends(header.networks)
        axes.fill_between(ends, ends * 0.9, ends * 1.1, color=FAINT, alpha=0.12, linewidth=0, label="within 10 %")
        axes.plot(ends, ends, color=FAINT, linewidth=1)
        if fitted:
            x, y = _figures(fitted)
            axes.scatter(
                x, y, s=22, marker=MARKERS[1], color=PALETTE[1], alpha=0.6, label="fitted, each left out in turn"
            )
        x, y = _figures(compared)
        label = "held out" if fidelity.how == "held out" else "each left out in turn"
        axes.scatter(x, y, s=22, marker=MARKERS[0], color=PALETTE[0], label=label)
        axes.set(xlabel="Measured latency (ms)", ylabel="Predicted latency (ms)", xlim=ends, ylim=ends)
        axes.set_title(
            f"{header.space} on {header.device}\nMAPE {fidelity.mape:.1%}, within 10 % {fidelity.within_10:.0%}"
            + (f", Kendall {fidelity.kendall:.3f}" if fidelity.kendall is not None else ""),
            fontsize=10,
        )
        axes.legend(loc="upper left")
        for path in paths:
            save_figure(figure, path)
    return figure


def _genes(network: WholeNetwork) -> str:
    return " ".join(
        f"{name}={'-'.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in network.genes.items()
    )


def _figures(networks: list[WholeNetwork]) -> tuple[list[float], list[float]]:
    return [n.measured_ms for n in networks], [n.predicted_ms for n in networks]


def _ends(networks: tuple[WholeNetwork, ...]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.array([[n.measured_ms, n.predicted_ms] for n in networks])
    margin = 0.05 * max(float(np.ptp(values)), 1e-3)
    return np.array([max(values.min() - margin, 0.0), values.max() + margin])
