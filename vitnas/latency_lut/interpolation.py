"""Times of layers that were not measured, from those of their kind that were, and which to measure next."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.latency_lut.features import Floats, LayerWork, by_kind, points_of, spread
from vitnas.search_spaces import LayerSpec

FEW = 6
"""A kind with this many layers or fewer is measured whole."""

WIDE = 0.5
"""The relative error stated for a kind of which too little is known to tell."""


@dataclass(frozen=True)
class Interpolated:
    """Times of all layers of a space.

    Attributes:
        ms: ``(layers,)`` as measured, or the most likely time.
        error: ``(layers,)`` relative standard deviation of those not measured, 0 for those that were.
        left_out: of every kind, the mean relative error of measured layers predicted from the others.
    """

    ms: Floats
    error: Floats
    left_out: dict[str, float]


class Interpolator:
    """One Gaussian process a kind, over logarithms of sizes.

    It goes about the sum of what the arithmetic, the data and the weights should take. Its errors are scaled to
    those of measured layers left out in turn.
    """

    def __init__(self, specs: Sequence[LayerSpec], work: LayerWork) -> None:
        self.kinds = {
            kind: _Kind([specs[i] for i in rows], rows, work.at(rows)) for kind, rows in by_kind(specs).items()
        }
        self.size = len(specs)

    def first(self, importance: Floats) -> list[int]:
        """What to measure before anything is known: one of each kind, then corners and points between.

        Kinds take turns, those that do more of the networks' arithmetic more often.
        """
        found: list[tuple[float, int]] = []
        for kind in self.kinds.values():
            share = max(float(importance[kind.rows] @ (kind.macs + 1.0)), 1e-9)
            order = spread(kind.points, kind.start)
            found += [(place / share, int(kind.rows[i])) for place, i in enumerate(order)]
        return [i for _, i in sorted(found)]

    def fit(self, known_ms: Mapping[int, float]) -> Interpolated:
        """Fills in what is missing; every kind needs one known layer at least."""
        ms, error, left_out = np.zeros(self.size), np.zeros(self.size), {}
        for name, kind in self.kinds.items():
            here = np.array([int(i) in known_ms for i in kind.rows])
            times = np.array([known_ms[int(i)] for i in kind.rows[here]])
            ms[kind.rows], error[kind.rows], left_out[name] = kind.fit(here, times)
        return Interpolated(ms, error, left_out)

    def missing(self, known_ms: Collection[int]) -> list[str]:
        """Kinds of which nothing is known."""
        return [name for name, kind in self.kinds.items() if not any(int(i) in known_ms for i in kind.rows)]

    def next(self, found: Interpolated, importance: Floats, n: int) -> list[int]:
        """The n layers that most of the networks' error comes from, once those before them are measured.

        Args:
            found: what `fit` gave last.
            importance: ``(layers,)`` how often a network has each layer.
            n: how many.
        """
        weight = importance * found.ms
        picked = [
            (float(gain), int(kind.rows[i]))
            for kind in self.kinds.values()
            for i, gain in kind.gains(weight[kind.rows], n)
        ]
        return [i for _, i in sorted(picked, reverse=True)[:n]]


class _Kind:
    """The layers of one kind."""

    def __init__(self, specs: Sequence[LayerSpec], rows: NDArray[np.intp], work: Floats) -> None:
        self.rows = rows
        self.macs = work[:, 0]
        self.work = work / np.maximum(work.max(axis=0), 1.0)
        points = points_of(specs, work)
        self.points = (points - points.mean(axis=0)) / np.maximum(points.std(axis=0), 1e-9)
        self.start = len(rows) if len(rows) <= FEW else min(len(rows), FEW + 2 * self.points.shape[1])
        self._kernel: object = None
        self._fitted_to = 0
        self._covariance = np.zeros((len(rows), len(rows)))
        self._known = np.zeros(len(rows), dtype=np.bool_)

    def fit(self, known: NDArray[np.bool_], times_ms: Floats) -> tuple[Floats, Floats, float]:
        """Times, relative errors and the error of layers left out."""
        ms, error = np.empty(len(self.rows)), np.zeros(len(self.rows))
        ms[known] = times_ms
        self._known = known
        rest = ~known
        if known.all():
            return ms, error, 0.0
        if len(times_ms) < FEW:
            rate = self._physical(known, times_ms)
            ms[rest], error[rest] = rate[rest], WIDE
            self._covariance = np.diag(error**2)
            return ms, error, WIDE
        base = self._physical(known, times_ms)
        ratio = np.log(times_ms / base[known])
        target = ratio - ratio.mean()
        process = self._process(self.points[known], target)
        inverse = np.linalg.inv(process.kernel_(self.points[known]) + 1e-10 * np.eye(len(times_ms)))
        missed = inverse @ target / np.diag(inverse)
        scale = max(1.0, float(np.sqrt(np.mean(missed**2 * np.diag(inverse)))))
        if rest.any():
            mean, covariance = process.predict(self.points[rest], return_cov=True)
            self._covariance = np.zeros((len(self.rows), len(self.rows)))
            self._covariance[np.ix_(rest, rest)] = covariance * scale**2
            ms[rest] = base[rest] * np.exp(mean + ratio.mean())
            error[rest] = np.sqrt(np.maximum(np.diag(covariance), 0.0)) * scale
        return ms, error, float(np.abs(np.expm1(missed)).mean())

    def gains(self, weight_ms: Floats, n: int) -> list[tuple[int, float]]:
        """Up to n layers not known, each with the error it stands for when those before it are known."""
        candidates = np.flatnonzero(~self._known)
        order = np.argsort(-weight_ms[candidates] * np.sqrt(np.diag(self._covariance)[candidates]))
        candidates = candidates[order[: max(4 * n, 64)]]
        covariance = self._covariance[np.ix_(candidates, candidates)].copy()
        found: list[tuple[int, float]] = []
        for _ in range(min(n, len(candidates))):
            variance = np.maximum(np.diag(covariance), 0.0)
            # Knowing a layer takes away what it shares with every other one, not its own share alone.
            shared = np.abs(covariance) @ weight_ms[candidates] / np.sqrt(np.maximum(variance, 1e-12))
            best = int(np.where(variance > 1e-10, shared, -1.0).argmax())
            if variance[best] <= 1e-10:
                break
            found.append((int(candidates[best]), float(shared[best])))
            column = covariance[:, best].copy()
            covariance -= np.outer(column, column) / variance[best]
        return found

    def _physical(self, known: NDArray[np.bool_], times_ms: Floats) -> Floats:
        """A cost for each multiplication, number and byte, none of them negative, and one for being there."""
        from scipy.optimize import nnls

        terms = np.concatenate([np.ones((len(self.rows), 1)), self.work], axis=1)
        rates, _ = nnls(terms[known] / times_ms[:, None], np.ones(len(times_ms)))
        found: Floats = np.maximum(terms @ rates, times_ms.min() / 10)
        return found

    def _process(self, points: Floats, target: Floats):  # type: ignore[no-untyped-def]
        """Learns the scales anew when half as much again is known."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        anew = len(target) >= 1.5 * self._fitted_to
        if anew:
            widths = np.full(points.shape[1], 3.0)
            self._kernel = ConstantKernel(0.1, (1e-4, 10)) * Matern(widths, (0.3, 100), nu=2.5) + WhiteKernel(
                1e-3, (1e-5, 0.1)
            )
            self._fitted_to = len(target)
        process = GaussianProcessRegressor(
            self._kernel, alpha=1e-10, optimizer="fmin_l_bfgs_b" if anew else None, normalize_y=False
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a scale at its bound says that a feature does not matter
            process.fit(points, target)
        self._kernel = process.kernel_
        return process
