"""A latency table in a notebook."""

from __future__ import annotations

import pandas as pd

from vitnas.display import View
from vitnas.latency_lut.features import kind_of
from vitnas.latency_lut.rows import COUNTS
from vitnas.latency_lut.table import LatencyTable
from vitnas.reporting.plots.fidelity import plot_fidelity
from vitnas.reporting.plots.layers_plot import plot_layers
from vitnas.reporting.plots.picture import Picture
from vitnas.reporting.views.page import block


def to_frame(table: LatencyTable) -> pd.DataFrame:
    """A row a layer: its kind, shapes and attributes, its milliseconds with their origin, and its counts."""
    return pd.DataFrame(
        [
            {
                "kind": row.spec.kind,
                "precision": row.spec.precision,
                "in_shape": row.spec.in_shape,
                "out_shape": row.spec.out_shape,
                "attrs": dict(row.spec.attrs),
                "median_ms": row.timing.median_ms,
                "std_ms": row.std_ms,
                "origin": row.timing.provenance,
                **{name: getattr(row, name) for name in COUNTS},
            }
            for row in table.rows
        ],
        index=pd.Index([row.spec.key for row in table.rows], name="layer"),
    )


def to_html(table: LatencyTable) -> str:
    header = table.header
    kinds = [kind_of(row.spec) for row in table.rows]
    by_kind = (
        to_frame(table)
        .groupby(pd.Index(kinds, name="kind"), sort=False)["median_ms"]
        .agg(["count", "min", "median", "max"])
    )
    by_kind.columns = ["layers", "least ms", "median ms", "most ms"]
    origins = ", ".join(f"{count} {name}" for name, count in table.provenances.items())
    fidelity = "not compared with whole networks" if header.fidelity is None else str(header.fidelity)
    warnings = [f"warning: {warning}" for warning in table.warnings]
    return block(f"Latency table of {header.space} on {header.device}", by_kind, [origins, fidelity, *warnings])


def plot(table: LatencyTable) -> Picture:
    """Predicted against measured latency; where nothing was compared, the layers by what they compute."""
    return plot_layers(table) if table.header.fidelity is None else plot_fidelity(table)


VIEW = View(to_frame, plot, to_html)
