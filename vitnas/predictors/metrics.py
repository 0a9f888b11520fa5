"""How well predicted scores rank archs, on archs that the predictor has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitnas.errors import DataError
from vitnas.predictors.predictor import FEWEST_ARCHS, Predictor
from vitnas.predictors.regressor import Prediction, deal
from vitnas.search_spaces import Codes


@dataclass(frozen=True)
class RankReport:
    """Agreement of predicted with true scores; correlations are 0 where either side is constant.

    Attributes:
        kendall: tau-b.
        spearman: rank correlation.
        mae: mean absolute error, in the unit of the scores.
        top10_regret: how much is lost by evaluating only the ten archs predicted best.
        num_archs: how many archs were compared.
        covered: share of true scores inside the 90 % intervals; None without intervals.
        kendall_of_params: tau-b of the number of parameters, in whichever direction ranks better; None if not compared.
    """

    kendall: float
    spearman: float
    mae: float
    top10_regret: float
    num_archs: int
    covered: float | None = None
    kendall_of_params: float | None = None

    @property
    def warning(self) -> str | None:
        """A sentence when there is no reason to trust the predictor."""
        if self.kendall <= 0:
            return (
                f"THIS PREDICTOR CANNOT RANK: on {self.num_archs} archs it had not seen its Kendall tau is "
                f"{self.kendall:.2f}. Evaluate more archs, or on more images; until then, do not search with it."
            )
        if self.kendall_of_params is not None and self.kendall <= self.kendall_of_params:
            return (
                f"THIS PREDICTOR RANKS NO BETTER THAN THE NUMBER OF PARAMETERS: on {self.num_archs} archs it had not seen "
                f"its Kendall tau is {self.kendall:.2f}, theirs {self.kendall_of_params:.2f}. Evaluate more archs, or "
                "rank by size."
            )
        return None


def kendall(predicted: ArrayLike, true: ArrayLike) -> float:
    """Kendall's tau-b, 0 where either side is constant."""
    from scipy.stats import kendalltau

    return _or_zero(kendalltau, predicted, true)


def spearman(predicted: ArrayLike, true: ArrayLike) -> float:
    """Spearman's rank correlation, 0 where either side is constant."""
    from scipy.stats import spearmanr

    return _or_zero(spearmanr, predicted, true)


def mae(predicted: ArrayLike, true: ArrayLike) -> float:
    """Mean absolute error."""
    return float(np.abs(np.asarray(predicted, np.float64) - np.asarray(true, np.float64)).mean())


def top_regret(predicted: ArrayLike, true: ArrayLike, top: int = 10) -> float:
    """Best true score of all less the best among the `top` archs of highest predicted score."""
    p, t = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    return float(t.max() - t[np.argsort(-p, kind="stable")[:top]].max())


def compare(predicted: Prediction | ArrayLike, true: ArrayLike, num_params: ArrayLike | None = None) -> RankReport:
    """All figures at once, of archs that were held out.

    Args:
        predicted: scores, with their intervals if they have any.
        true: ``(n,)`` scores.
        num_params: ``(n,)`` sizes of the archs, for what they alone would tell.
    """
    mean = predicted.mean if isinstance(predicted, Prediction) else predicted
    return RankReport(
        kendall(mean, true),
        spearman(mean, true),
        mae(mean, true),
        top_regret(mean, true),
        len(np.asarray(true)),
        predicted.covered(true) if isinstance(predicted, Prediction) else None,
        abs(kendall(num_params, true)) if num_params is not None else None,
    )


def hold_out(
    make: Callable[[], Predictor], codes: Codes, scores: ArrayLike, folds: int = 5, seed: int = 0
) -> Prediction:
    """Predicts every arch from a fit on the other folds.

    Args:
        make: a new, unfitted predictor.
        codes: ``(n, columns)`` distinct evaluated archs.
        scores: ``(n,)`` their scores.
        folds: how many; fewer when archs are few.
        seed: deals the archs to the folds.
    """
    y = np.asarray(scores, np.float64)
    folds = min(folds, len(y))
    if len(y) - math.ceil(len(y) / max(folds, 1)) < FEWEST_ARCHS:
        raise DataError(f"{len(y)} archs are too few to hold some out; evaluate at least {FEWEST_ARCHS + 2}")
    mean, std = np.empty(len(y)), np.empty(len(y))
    fold_of = deal(len(y), folds, seed)
    for fold in range(folds):
        out = fold_of == fold
        found = make().fit(codes[~out], y[~out]).predict(codes[out])
        mean[out], std[out] = found.mean, found.std
    return Prediction(mean, std)


def _or_zero(correlate: Callable[..., tuple[float, float]], predicted: ArrayLike, true: ArrayLike) -> float:
    p: NDArray[np.float64] = np.asarray(predicted, np.float64)
    t: NDArray[np.float64] = np.asarray(true, np.float64)
    if p.shape != t.shape or p.ndim != 1 or len(p) < 2:
        raise DataError(
            f"need two lists of at least two scores, one of each for every arch; got {p.shape} and {t.shape}"
        )
    if p.min() == p.max() or t.min() == t.max():
        return 0.0
    return float(correlate(p, t)[0])
