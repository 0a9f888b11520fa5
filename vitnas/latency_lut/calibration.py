"""Calibration: from the sum of layers to the whole network, and how far off that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST_RANKED = 4
"""Networks below which their order tells nothing."""
SURELY = 1.645
"""Standard errors by which multiplications must rank better before a table is said to rank worse."""


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
        kendall_of_macs: how well multiplications alone rank these networks, which needs no table.
        spearman_of_macs: the same as Spearman's.
        kendall_doubt: standard error of the difference between the two Kendalls, None where that was not told.
    """

    networks: int
    mape: float
    within_5: float
    within_10: float
    kendall: float | None
    spearman: float | None
    covered: float | None = None
    how: Literal["held out", "left out"] = "held out"
    kendall_of_macs: float | None = None
    spearman_of_macs: float | None = None
    kendall_doubt: float | None = None

    @classmethod
    def between(
        cls,
        predicted_ms: Floats,
        measured_ms: Floats,
        std_ms: Floats | None = None,
        how: Literal["held out", "left out"] = "held out",
        macs: Floats | None = None,
    ) -> Fidelity:
        """Compares what a table tells of networks, and what their multiplications tell, with what they took."""
        error = np.abs(predicted_ms - measured_ms) / measured_ms
        kendall, spearman = ranks(predicted_ms, measured_ms)
        of_macs = ranks(macs, measured_ms) if macs is not None else (None, None)
        return cls(
            networks=len(error),
            mape=float(error.mean()),
            within_5=float((error <= 0.05).mean()),
            within_10=float((error <= 0.10).mean()),
            kendall=kendall,
            spearman=spearman,
            covered=None if std_ms is None else float((np.abs(predicted_ms - measured_ms) <= 2 * std_ms).mean()),
            how=how,
            kendall_of_macs=of_macs[0],
            spearman_of_macs=of_macs[1],
            kendall_doubt=_doubt(predicted_ms, macs, measured_ms) if macs is not None else None,
        )

    @property
    def ranks_badly(self) -> str | None:
        """What is wrong with the order in which a table puts networks, or None.

        A table must not be surely worse than multiplications, and must tell more of the order than chance does.
        """
        if self.networks < FEWEST_RANKED:
            return None
        name = "held-out networks" if self.how == "held out" else "networks left out in turn"
        if self.kendall is None and self.spearman is None:
            return f"gives no order of {self.networks} {name}, as all have one latency"
        if self.kendall is None:
            return None
        if self.kendall <= _by_chance(self.networks):
            return f"ranks {self.networks} {name} no better than chance might (Kendall {self.kendall:.2f})"
        if self.kendall_of_macs is None:
            return None
        behind = self.kendall_of_macs - self.kendall
        if behind <= SURELY * (self.kendall_doubt or 0.0):
            return None
        return (
            f"ranks {self.networks} {name} worse than their multiply-accumulates do (Kendall {self.kendall:.2f} against "
            f"{self.kendall_of_macs:.2f})"
        )

    def __str__(self) -> str:
        ranked = (
            f", Kendall {self.kendall:.3f}, Spearman {self.spearman:.3f}"
            if self.kendall is not None and self.spearman is not None
            else ""
        )
        if self.kendall_of_macs is not None and self.spearman_of_macs is not None:
            ranked += f" (by MACs alone {self.kendall_of_macs:.3f}, {self.spearman_of_macs:.3f})"
        networks = "held-out networks" if self.how == "held out" else "networks, each left out in turn"
        return (
            f"{self.networks} {networks}: MAPE {self.mape:.1%}, within 5 % {self.within_5:.0%}, "
            f"within 10 % {self.within_10:.0%}{ranked}"
        )


def ranks(told: Floats, measured: Floats) -> tuple[float | None, float | None]:
    """Kendall's tau-b and Spearman's rank correlation; None where one of the two is all equal."""
    from scipy.stats import kendalltau, spearmanr

    told = np.array([float(f"{value:.9g}") for value in told.tolist()])  # rounding of sums makes no order
    if len(np.unique(told)) < 2 or len(np.unique(measured)) < 2:
        return None, None
    return float(kendalltau(told, measured).statistic), float(spearmanr(told, measured).statistic)


def _by_chance(n: int) -> float:
    """What the Kendall of a random order of n networks hardly exceeds; of very few, any order may be a good one."""
    return SURELY * math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1))) if n >= 6 else 0.0


def _doubt(predicted_ms: Floats, macs: Floats, measured_ms: Floats) -> float | None:
    """Standard error of the difference of the two Kendalls, by leaving every network out in turn."""
    n = len(measured_ms)
    if n < FEWEST_RANKED:
        return None
    differences = []
    for i in range(n):
        seen = np.arange(n) != i
        of_table, of_macs = (ranks(told[seen], measured_ms[seen])[0] or 0.0 for told in (predicted_ms, macs))
        differences.append(of_table - of_macs)
    return float(np.sqrt((n - 1) * np.var(differences)))
