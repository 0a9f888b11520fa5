"""The residual: what layers cost inside networks beyond what they cost alone.

A layer alone starts with cold neighbours, converts its input's layout and keeps nothing in the cache for the
next one. How much of that a network saves or adds depends on the kind of the layer, on how much data passes
through it and on its size. Only whole networks tell, and each tells one number: a sum over its layers. So the
correction of every layer is a Gaussian process of which sums are seen, and its mean is again one number a
layer: costing a population stays a sum of look-ups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitnas.latency_lut.calibration import Calibration
from vitnas.latency_lut.features import Floats, LayerWork, by_kind, points_of
from vitnas.search_spaces import LayerSpec

STRENGTHS = np.logspace(-3, 2, 11)
"""Noise over prior variance: from corrections that are nearly free to hardly any."""

WORTH = 1e-4
"""Corrections that make less difference to the relative error are left out."""

TERMS = ("kind", "traffic", "layer")
"""What a correction may depend on, each in addition to those before it."""


@dataclass(frozen=True)
class Layers:
    """The distinct layers of a space and what each takes alone, in one order."""

    specs: Sequence[LayerSpec]
    work: LayerWork
    alone_ms: Floats

    def covariance(self, terms: Sequence[str]) -> Floats:
        """How corrections of layers vary together a priori; those of different kinds do not."""
        found = np.zeros((len(self.specs), len(self.specs)))
        for at in by_kind(self.specs).values():
            alone_ms, traffic = self.alone_ms[at], self.work.traffic[at]
            mean_ms = max(float(alone_ms.mean()), 1e-9)
            shared = np.zeros((len(at), len(at)))
            if "kind" in terms:
                shared += np.outer(alone_ms, alone_ms) + mean_ms**2
            if "traffic" in terms:
                passing_ms = traffic * (mean_ms / traffic.mean())
                shared += np.outer(passing_ms, passing_ms)
            if "layer" in terms:
                points = points_of([self.specs[i] for i in at], self.work.at(at))
                shared += np.outer(alone_ms, alone_ms) * _nearness(points)
            found[np.ix_(at, at)] = shared
        return found


@dataclass(frozen=True)
class Residual:
    """A calibration with its corrections.

    Attributes:
        calibration: intercept and slope; its terms are those of the corrections.
        layers_ms: what each layer costs in a network beyond slope * its time alone; of any sign.
        left_out_ms: each network as it is predicted by a fit that has not seen it.
    """

    calibration: Calibration
    layers_ms: Floats
    left_out_ms: Floats


def fit_residual(
    counts: Floats, layers: Layers, measured_ms: Floats, most: str = TERMS[-1], sure: float = 1.5
) -> Residual:
    """Fits calibration and corrections to networks timed as a whole, by their relative errors.

    Every network is left out once. Corrections are used only where they surely predict networks left out better
    than intercept and slope do; of those, the best.

    Args:
        counts: ``(networks, layers)`` how often each network has each layer.
        layers: the columns of `counts`.
        measured_ms: ``(networks,)`` what the networks took.
        most: the last of `TERMS` that may be used.
        sure: standard errors by which corrections must be better.
    """
    sums_ms = counts @ layers.alone_ms
    calibration = Calibration.fit(sums_ms, measured_ms)
    if len(measured_ms) < 4:
        return Residual(calibration, np.zeros(len(layers.specs)), calibration(sums_ms))
    folds = [(seen, left, Calibration.fit(sums_ms[seen], measured_ms[seen])) for seen, left in _folds(len(measured_ms))]
    plain = np.empty(len(measured_ms))
    for _, left, fitted in folds:
        plain[left] = fitted(sums_ms[left])
    best = Residual(calibration, np.zeros(len(layers.specs)), plain)
    missed = 1 - calibration(sums_ms) / measured_ms
    for upto in range(1, TERMS.index(most) + 2):
        joint = counts @ layers.covariance(TERMS[:upto])
        kernel = joint @ counts.T / np.outer(measured_ms, measured_ms)
        for strength in (STRENGTHS * float(np.trace(kernel) / len(kernel))).tolist():
            left_out = plain.copy()
            for seen, left, fitted in folds:
                weights = _solve(kernel[np.ix_(seen, seen)], strength, 1 - fitted(sums_ms[seen]) / measured_ms[seen])
                left_out[left] += measured_ms[left] * (kernel[np.ix_(left, seen)] @ weights)
            if _gain(left_out, plain, measured_ms, sure) > WORTH and _error(left_out, measured_ms) < _error(
                best.left_out_ms, measured_ms
            ):
                weights = _solve(kernel, strength, missed)
                best = Residual(replace(calibration, terms=TERMS[:upto]), joint.T @ (weights / measured_ms), left_out)
    return best


def _error(predicted_ms: Floats, measured_ms: Floats) -> float:
    return float(np.abs(predicted_ms / measured_ms - 1).mean())


def _gain(new_ms: Floats, old_ms: Floats, measured_ms: Floats, sure: float) -> float:
    """By how much the relative error falls, less what may be luck."""
    gain = np.abs(old_ms / measured_ms - 1) - np.abs(new_ms / measured_ms - 1)
    return float(gain.mean() - sure * gain.std() / np.sqrt(len(gain)))


def _folds(n: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Who is seen and who is left out; every network is left out once."""
    fold = np.arange(n) % min(n, 20)
    for i in range(fold.max() + 1):
        yield np.flatnonzero(fold != i), np.flatnonzero(fold == i)


def _solve(kernel: Floats, noise: float, target: Floats) -> Floats:
    return np.asarray(np.linalg.solve(kernel + noise * np.eye(len(kernel)), target), dtype=np.float64)


def _nearness(points: Floats) -> Floats:
    """1 for equal layers, falling with their distance."""
    square = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    found: Floats = np.exp(-np.sqrt(square))
    return found
