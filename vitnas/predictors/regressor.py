"""Regressor: learns numbers from a plain table of features, and says how far off it may be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitnas.errors import DataError, SettingsError, suggest

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

CHUNK = 2048
INSIDE_90 = 1.6449
"""Standard deviations of a normal distribution on either side of its mean that hold 90 % of it."""


@dataclass(frozen=True)
class Prediction:
    """Expected scores of a population and how far off they may be, one number an arch each."""

    mean: Floats
    std: Floats

    def covered(self, true: ArrayLike) -> float:
        """The share of true scores inside the 90 % intervals."""
        return float((np.abs(np.asarray(true, np.float64) - self.mean) <= INSIDE_90 * self.std).mean())


@dataclass(frozen=True)
class Option:
    """A number that a regressor may be told, and where a search for a better one looks (by its logarithm)."""

    default: float
    low: float
    high: float


class Regressor(ABC):
    """Learns from a matrix with one row an arch; it knows nothing of spaces.

    A subclass sees scores of mean 0 and variance 1. Its `_fit` also gives what each row is predicted by a fit
    that has not seen it; the standard deviations are stretched until nine in ten of those intervals hold.

    Attributes:
        held_out: those predictions of the rows of the last fit, with the stretched deviations.
    """

    options: Mapping[str, Option] = {}

    def __init__(self, groups: Sequence[int] = (), **options: float) -> None:
        """Starts without knowledge.

        Args:
            groups: how many neighbouring columns of the features belong together; one group when empty.
            options: numbers for `options` of the class.
        """
        for name in options:
            if name not in self.options:
                raise SettingsError(f"{type(self).__name__} has no option '{name}'; {suggest(name, self.options)}")
        self.groups = tuple(groups)
        self.chosen = {name: options.get(name, option.default) for name, option in self.options.items()}
        self.held_out: Prediction

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learns anew from ``(n, features)`` and ``(n,)`` finite numbers."""
        X, y = np.asarray(X, np.float64), np.asarray(y, np.float64)
        if X.ndim != 2 or y.shape != X.shape[:1] or len(y) < 2:
            raise DataError(f"need one row of features for each of two or more scores, got {X.shape} and {y.shape}")
        if self.groups and sum(self.groups) != X.shape[1]:
            raise DataError(f"groups of {list(self.groups)} columns do not add up to {X.shape[1]} features")
        if not (np.isfinite(X).all() and np.isfinite(y).all()):
            raise DataError("features and scores must be finite; leave out rows whose evaluation failed")
        self._offset, self._unit = float(y.mean()), float(y.std())
        if self._unit <= 1e-12 * max(abs(self._offset), 1e-300):
            raise DataError(f"all {len(y)} scores are {y[0]:g}, so there is nothing to learn")
        t = (y - self._offset) / self._unit
        mean, std = self._fit(X, t)
        self._stretch = _stretch(np.abs(mean - t) / std)
        self.held_out = self._in_units(mean, std)
        return self

    def predict(self, X: ArrayLike) -> Prediction:
        """What is expected of each row."""
        X = np.asarray(X, np.float64)
        parts = [self._predict(X[start : start + CHUNK]) for start in range(0, len(X), CHUNK)]
        if not parts:
            return Prediction(np.empty(0), np.empty(0))
        return self._in_units(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def state(self) -> Arrays:
        """What was learned, as plain arrays."""
        return {
            **self._state(),
            "units": np.array([self._offset, self._unit, self._stretch]),
            "options": np.array(list(self.chosen.values())),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes over what `state` gave; a `KeyError` or `ValueError` means damage."""
        self._offset, self._unit, self._stretch = arrays["units"].tolist()
        self.chosen = dict(zip(self.options, arrays["options"].tolist(), strict=True))
        self._restore(arrays)

    def _in_units(self, mean: Floats, std: Floats) -> Prediction:
        return Prediction(mean * self._unit + self._offset, std * (self._stretch * self._unit))

    @abstractmethod
    def _fit(self, X: Floats, t: Floats) -> tuple[Floats, Floats]: ...

    @abstractmethod
    def _predict(self, X: Floats) -> tuple[Floats, Floats]: ...

    @abstractmethod
    def _state(self) -> Arrays: ...

    @abstractmethod
    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None: ...


def scaling(X: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column; 1 where a column is constant."""
    scale = X.std(axis=0)
    return X.mean(axis=0), np.where(scale > 1e-9 * np.maximum(np.abs(X).max(axis=0), 1e-3), scale, 1.0)


def deal(n: int, folds: int, seed: int = 0) -> NDArray[np.intp]:
    """The fold of each of n rows, dealt like cards."""
    found: NDArray[np.intp] = np.random.default_rng(seed).permutation(n) % folds
    return found


def as_array(text: str) -> NDArray[np.uint8]:
    """Text among arrays."""
    return np.frombuffer(text.encode(), np.uint8)


def as_text(array: NDArray[Any]) -> str:
    """What `as_array` kept; a `ValueError` means damage."""
    return array.astype(np.uint8).tobytes().decode()


def _stretch(errors: Floats) -> float:
    """What makes the 90 % interval hold nine in ten of errors that are given in standard deviations."""
    rank = min(int(np.ceil(0.9 * (len(errors) + 1))), len(errors))
    return max(float(np.sort(errors)[rank - 1]) / INSIDE_90, 1e-3)
