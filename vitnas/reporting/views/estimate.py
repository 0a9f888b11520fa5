"""An estimate of a latency in a notebook."""

from __future__ import annotations

import pandas as pd

from vitnas.display import View
from vitnas.reporting.estimated import NetworkEstimate
from vitnas.reporting.plots.bars_plot import plot_bars
from vitnas.reporting.plots.picture import Picture
from vitnas.reporting.terminal.estimates import LABEL
from vitnas.reporting.views.page import block


def to_frame(estimate: NetworkEstimate) -> pd.DataFrame:
    """A row a kind of layer or operator, and what every call costs: milliseconds and their share."""
    ms = pd.Series({"call": estimate.found.network_ms, **estimate.parts_ms}, name="ms")
    return pd.DataFrame({"ms": ms, "share": ms / estimate.latency_ms}).rename_axis("part")


def to_html(estimate: NetworkEstimate) -> str:
    data = estimate.to_json()
    interval = estimate.interval_90_ms
    spread = f", 90 % between {interval[0]:.2f} and {interval[1]:.2f} ms" if interval else ""
    title = f"{estimate.network} on {estimate.device}: {estimate.latency_ms:.2f} ms{spread} ({LABEL})"
    placed = [f"runs on: {data['placement']}"] if data["placement"] else []
    return block(title, to_frame(estimate), [*placed, *data["reasons"], *data["notes"]])


def plot(estimate: NetworkEstimate) -> Picture:
    parts = {"call": estimate.found.network_ms, **estimate.parts_ms}
    return plot_bars(parts, "Milliseconds", f"{estimate.network} on {estimate.device}, estimated")


VIEW = View(to_frame, plot, to_html)
