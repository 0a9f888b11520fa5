"""Thresholds: of all ways to divide images among the archs of a cascade, the cheapest that is accurate enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.search_spaces.cascades.cascade import NEVER

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STEPS = 24
"""How many thresholds of every arch but the last two are tried; of the last one with a threshold all are."""
NOT_LESS = 1e-12


@dataclass(frozen=True)
class Stages:
    """What the archs of a cascade answer to the same images.

    Attributes:
        sure: ``(archs - 1, images)``, the scores of the rule.
        right: ``(archs, images)``.
        parts_ms: ``(archs,)``, what each part takes.
    """

    sure: Floats
    right: Bools
    parts_ms: Floats

    def exits(self, thresholds: NDArray[np.floating] | tuple[float, ...]) -> NDArray[np.int64]:
        """Which arch answers each image."""
        passes = self.sure >= np.asarray(thresholds, dtype=np.float64)[:, None]
        last = np.ones((1, self.right.shape[1]), dtype=np.bool_)
        found: NDArray[np.int64] = np.argmax(np.concatenate([passes, last]), axis=0)
        return found

    def accuracy(self, exits: NDArray[np.int64]) -> float:
        return float(self.right[exits, np.arange(self.right.shape[1])].mean())

    def only(self, images: NDArray[np.integer]) -> Stages:
        """The same of some of the images."""
        return Stages(self.sure[:, images], self.right[:, images], self.parts_ms)


@dataclass(frozen=True)
class Thresholds:
    """What was chosen, on the images that it was chosen by.

    Attributes:
        values: of every arch but the last.
        mean_ms: of an image.
        accuracy: of the cascade.
    """

    values: tuple[float, ...]
    mean_ms: float
    accuracy: float


def cheapest(stages: Stages, least: float, steps: int = STEPS) -> Thresholds | None:
    """The thresholds of the least mean milliseconds with an accuracy of at least `least`; None where there are none.

    Thresholds lie between two scores. Those of all archs but the last with one are tried at so many steps, which are
    even in the number of images that stop there; for each of them the last follows from one sort.
    """
    images = np.arange(stages.right.shape[1])
    found = _cheapest(stages, 0, images, least * len(images), steps)
    if found is None:
        return None
    cost, right, values = found
    return Thresholds(values, cost / len(images), right / len(images))


def _cheapest(
    stages: Stages, k: int, left: NDArray[np.integer], least_right: float, steps: int
) -> tuple[float, int, tuple[float, ...]] | None:
    """Cost, number of right answers and thresholds from arch `k` on, for the images that are left."""
    ms, last = stages.parts_ms, len(stages.parts_ms) - 1
    if k == last:
        right = int(stages.right[k, left].sum())
        return (len(left) * float(ms[k]), right, ()) if right >= least_right - NOT_LESS else None
    order = left[np.argsort(-stages.sure[k, left], kind="stable")]
    scores = stages.sure[k, order]
    cuts = np.flatnonzero(np.append(np.append(True, scores[1:] < scores[:-1]), True)) if len(left) else np.array([0])
    here = np.append(0, np.cumsum(stages.right[k, order]))
    if k == last - 1:
        later = np.append(0, np.cumsum(stages.right[last, order]))
        right = here + later[-1] - later
        fit = cuts[right[cuts] >= least_right - NOT_LESS]
        if not len(fit):
            return None
        stop = int(fit[-1])  # the more stop here, the less it costs
        cost = len(left) * float(ms[k]) + (len(left) - stop) * float(ms[last])
        return cost, int(right[stop]), (_between(scores, stop),)
    best = None
    for stop in np.unique(cuts[np.searchsorted(cuts, np.linspace(0, len(left), steps).astype(np.int64))]):
        found = _cheapest(stages, k + 1, order[stop:], least_right - here[stop], steps)
        if found is not None:
            cost = len(left) * float(ms[k]) + found[0]
            if best is None or cost < best[0]:
                best = cost, int(here[stop]) + found[1], (_between(scores, int(stop)), *found[2])
    return best


def _between(scores: Floats, stop: int) -> float:
    """A threshold that so many of the scores, which fall, reach."""
    if stop == 0:
        return NEVER
    if stop == len(scores):
        return 0.0
    return float((scores[stop - 1] + scores[stop]) / 2)
