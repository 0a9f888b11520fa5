"""Calibration: from the sum of layers to the whole network, and how far off that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """latency_ms = intercept_ms + slope * sum of layers + their residuals.

    The intercept holds what a network pays once (the call itself), the slope what a layer pays
    next to others and not alone (cold caches, layout changes), the residuals of the rows what
    some layers pay more than others.

    Attributes:
        intercept_ms: never negative.
        slope: never negative.
        terms: what residuals depend on, see `vitnas.latency_lut.residual`; empty when there are none.
        error: relative standard deviation of a prediction beyond the spread of the rows, from networks
            left out of the fit in turn; None when there were too few.
    """

    intercept_ms: float
    slope: float
    terms: tuple[str, ...] = ()
    error: float | None = None

    def __call__(self, sums_ms: Floats) -> Floats:
        return self.intercept_ms + self.slope * sums_ms

    @classmethod
    def fit(cls, sums_ms: Floats, measured_ms: Floats) -> Calibration:
        """The least squares of the relative error; neither number is ever negative.

        Args:
            sums_ms: ``(n,)`` sums of the layers of n networks.
            measured_ms: ``(n,)`` what these networks took as a whole.
        """
        from scipy.optimize import nnls

        relative = np.stack([1 / measured_ms, sums_ms / measured_ms], axis=1)
        if not sums_ms.any():  # calls alone: no layer takes a time that could be seen
            return cls(float((1 / measured_ms).sum() / (1 / measured_ms**2).sum()), 1.0)
        if len(np.unique(sums_ms)) < 2:  # a single point says nothing about the intercept
            return cls(0.0, float(np.mean(measured_ms / sums_ms)))
        (intercept, slope), _ = nnls(relative, np.ones(len(measured_ms)))
        return cls(float(intercept), float(slope))


@dataclass(frozen=True)
class Fidelity:
    """How well a table predicts networks that its calibration has not seen.

    Attributes:
        networks: how many were compared.
        mape: mean of |predicted - measured| / measured.
        within_5: the share predicted to 5 %.
        within_10: the share predicted to 10 %.
        kendall: rank correlation (tau-b), None where all are equal.
        spearman: rank correlation, None where all are equal.
        covered: the share whose error is within twice the stated standard deviation, None where none was stated.
        how: these networks were held out, or each was left out of the fit in its turn.
    """

    networks: int
    mape: float
    within_5: float
    within_10: float
    kendall: float | None
    spearman: float | None
    covered: float | None = None
    how: Literal["held out", "left out"] = "held out"

    @classmethod
    def between(
        cls,
        predicted_ms: Floats,
        measured_ms: Floats,
        std_ms: Floats | None = None,
        how: Literal["held out", "left out"] = "held out",
    ) -> Fidelity:
        from scipy.stats import kendalltau, spearmanr

        error = np.abs(predicted_ms - measured_ms) / measured_ms
        ranked = len(np.unique(predicted_ms)) > 1 and len(np.unique(measured_ms)) > 1
        return cls(
            networks=len(error),
            mape=float(error.mean()),
            within_5=float((error <= 0.05).mean()),
            within_10=float((error <= 0.10).mean()),
            kendall=float(kendalltau(predicted_ms, measured_ms).statistic) if ranked else None,
            spearman=float(spearmanr(predicted_ms, measured_ms).statistic) if ranked else None,
            covered=None if std_ms is None else float((np.abs(predicted_ms - measured_ms) <= 2 * std_ms).mean()),
            how=how,
        )

    def __str__(self) -> str:
        ranks = (
            f", Kendall {self.kendall:.3f}, Spearman {self.spearman:.3f}"
            if self.kendall is not None and self.spearman is not None
            else ""
        )
        networks = "held-out networks" if self.how == "held out" else "networks, each left out in turn"
        return (
            f"{self.networks} {networks}: MAPE {self.mape:.1%}, within 5 % {self.within_5:.0%}, "
            f"within 10 % {self.within_10:.0%}{ranks}"
        )
