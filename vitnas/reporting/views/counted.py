"""The counts of an arch in a notebook."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from vitnas.display import View
from vitnas.reporting.counted import CountedArch
from vitnas.reporting.plots.diagram import describe, draw_blueprint
from vitnas.reporting.plots.picture import Picture
from vitnas.reporting.views.page import block
from vitnas.search_spaces import Blueprint


def to_frame(counted: CountedArch) -> pd.DataFrame:
    """A row a layer: what it is, and its counts."""
    return pd.DataFrame(
        [{"layer": describe(spec), **asdict(counts)} for _, spec, counts in counted.layers],
        index=pd.Index([site for site, _, _ in counted.layers], name="site"),
    )


def to_html(counted: CountedArch) -> str:
    title = f"{counted.name}: {counted.num_params:,} parameters, {counted.macs:,} MACs"
    return block(title, to_frame(counted))


def plot(counted: CountedArch) -> Picture:
    sites, specs = [site for site, _, _ in counted.layers], [spec for _, spec, _ in counted.layers]
    return draw_blueprint(Blueprint(tuple(sites), tuple(specs)), (), counted.name)


VIEW = View(to_frame, plot, to_html)
