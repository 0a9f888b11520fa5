"""How well predicted scores rank archs, on archs that the predictor has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitnas.errors import DataError
from vitnas.predictors.predictor import FEWEST_ARCHS, Predictor
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
    """

    kendall: float
    spearman: float
    mae: float
    top10_regret: float
    num_archs: int


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


def compare(predicted: ArrayLike, true: ArrayLike) -> RankReport:
    """All figures at once, of archs that were held out."""
    return RankReport(
        kendall(predicted, true),
        spearman(predicted, true),
        mae(predicted, true),
        top_regret(predicted, true),
        len(np.asarray(true)),
    )


def cross_validate(
    make: Callable[[], Predictor], codes: Codes, scores: ArrayLike, rng: np.random.Generator, folds: int = 5
) -> RankReport:
    """Predicts every arch from a fit on the other folds, and compares.

    Args:
        make: a new, unfitted predictor.
        codes: ``(n, columns)`` evaluated archs.
        scores: ``(n,)`` their scores.
        rng: deals the archs to the folds.
        folds: how many; fewer when archs are few.
    """
    y = np.asarray(scores, np.float64)
    folds = min(folds, len(y))
    if len(y) - math.ceil(len(y) / max(folds, 1)) < FEWEST_ARCHS:
        raise DataError(f"{len(y)} archs are too few to hold some out; evaluate at least {FEWEST_ARCHS + 2}")
    predicted = np.empty(len(y))
    fold_of = rng.permutation(len(y)) % folds
    for fold in range(folds):
        out = fold_of == fold
        predicted[out] = make().fit(codes[~out], y[~out]).predict(codes[out]).mean
    return compare(predicted, y)


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
