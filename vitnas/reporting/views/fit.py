"""A fitted predictor in a notebook."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from vitnas.display import View
from vitnas.nas.fit_predictor import PredictorFit
from vitnas.reporting.plots.picture import Picture
from vitnas.reporting.terminal.predictors import figures_of, plot_fit
from vitnas.reporting.views.page import pairs


def to_frame(fit: PredictorFit) -> pd.DataFrame:
    """A row an arch: what it was found to be, and what a fit without it expected."""
    columns = {fit.quantity: fit.scores, "predicted": fit.predicted, "std": fit.std}
    return pd.DataFrame(columns, index=pd.Index(fit.archs, name="arch"))


def to_html(fit: PredictorFit) -> str:
    winner = f" ({fit.winner['predictor']})" if fit.winner else ""
    title = f"{fit.predictor}{winner} predictor of {fit.quantity} on {fit.space}, on archs it had not seen"
    warning = fit.report.warning
    return pairs(title, figures_of(asdict(fit.report)), [warning] if warning else [])


def plot(fit: PredictorFit) -> Picture:
    return plot_fit(fit)


VIEW = View(to_frame, plot, to_html)
