"""How well scores put images that have a label before those that have not, for many samples of the images at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def average_precision(scores: NDArray[np.float32], has: NDArray[np.bool_], times: Floats) -> Floats:
    """``(draws, K)``: the mean precision at each image that has the label, images of one score taken together.

    Args:
        scores: ``(N, K)``.
        has: ``(N, K)``, which images have which label.
        times: ``(draws, N)``, how often each draw has each image.

    Returns:
        Not a number where no image of a draw has the label.
    """
    found = np.full((len(times), scores.shape[1]), np.nan)
    for k in range(scores.shape[1]):
        found_k, all_k = _counted(scores[:, k], has[:, k], times)
        total = found_k[:, -1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(all_k > 0, found_k / all_k, 0.0)
            recall = np.diff(found_k, axis=1, prepend=0.0) / total
            found[:, k] = (recall * precision).sum(axis=1)
    return found


def auroc(scores: NDArray[np.float32], has: NDArray[np.bool_]) -> Floats:
    """``(K,)``: the share of pairs of an image that has the label and one that has not whose scores are in order, ties half."""
    found = np.full(scores.shape[1], np.nan)
    for k in range(scores.shape[1]):
        (right,), (every,) = _counted(scores[:, k], has[:, k], np.ones((1, len(scores))))
        wrong = every - right
        if right[-1] and wrong[-1]:
            found[k] = np.trapezoid(np.append(0, right), np.append(0, wrong)) / (right[-1] * wrong[-1])
    return found


def _counted(scores: NDArray[np.float32], has: NDArray[np.bool_], times: Floats) -> tuple[Floats, Floats]:
    """``(draws, thresholds)``: images at or above each distinct score, from the highest, that have the label, and all."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    drawn = times[:, order]
    return np.cumsum(drawn * has[order], axis=1)[:, last], np.cumsum(drawn, axis=1)[:, last]
