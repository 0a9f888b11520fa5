"""Trees: boosted regression trees on top of half of a ridge regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.extras import load
from vitnas.predictors.learned import LearnedPredictor
from vitnas.predictors.network_features import NetworkFeatures
from vitnas.predictors.regressor import Arrays, Floats, Option, Regressor, as_array, as_text, deal
from vitnas.predictors.ridge import RidgeRegressor

FOLDS = 4
ROUNDS = 50


class TreesRegressor(Regressor):
    """trend * ridge(x) + the mean of boosters that each learn what is left on all folds but one.

    Trees alone are flat beyond the archs they have seen and need many to draw a slope; a straight line alone misses
    bends. Trees learn from what the line predicts of rows left out of it, so that it cannot hide its errors
    from them. Where boosters and line disagree with what they do elsewhere, deviations are wide.
    """

    options: Mapping[str, Option] = {
        "trend": Option(0.5, 0.1, 1.0),
        "rate": Option(0.18, 0.05, 0.4),
        "leaves": Option(8, 3, 24),
    }

    def _fit(self, X: Floats, t: Floats) -> tuple[Floats, Floats]:
        lightgbm = load("lightgbm")
        self._ridge = RidgeRegressor(self.groups).fit(X, t)
        line = self._ridge.held_out
        rest = t - self.chosen["trend"] * line.mean
        fold_of = deal(len(t), FOLDS)
        settings = {
            "objective": "regression",
            "learning_rate": self.chosen["rate"],
            "num_leaves": max(round(self.chosen["leaves"]), 2),
            "min_data_in_leaf": max(len(t) // 50, min(3, len(t) // 4)),
            "min_data_in_bin": 1,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 1.0,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbose": -1,
        }
        self._boosters = []
        for fold in range(FOLDS):
            data = lightgbm.Dataset(X[fold_of != fold], rest[fold_of != fold], params=settings, free_raw_data=True)
            self._boosters.append(lightgbm.train({**settings, "seed": fold}, data, ROUNDS))
        by_trees = self._by_trees(X)
        mean = self.chosen["trend"] * line.mean + by_trees[fold_of, np.arange(len(t))]
        return mean, self._std(line.std, by_trees)

    def _predict(self, X: Floats) -> tuple[Floats, Floats]:
        line, by_trees = self._ridge.predict(X), self._by_trees(X)
        return self.chosen["trend"] * line.mean + by_trees.mean(axis=0), self._std(line.std, by_trees)

    def _by_trees(self, X: Floats) -> Floats:
        if len(X) == 0:
            return np.empty((FOLDS, 0))
        X = np.ascontiguousarray(X, np.float32)
        return np.stack([booster.predict(X) for booster in self._boosters])

    def _std(self, line: Floats, by_trees: Floats) -> Floats:
        found: Floats = np.sqrt(line**2 + by_trees.var(axis=0))
        return found

    def _state(self) -> Arrays:
        ridge = {f"ridge.{name}": array for name, array in self._ridge.state().items()}
        return ridge | {f"booster.{i}": as_array(b.model_to_string()) for i, b in enumerate(self._boosters)}

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        lightgbm = load("lightgbm")
        self._ridge = RidgeRegressor(self.groups)
        self._ridge.restore({n.removeprefix("ridge."): a for n, a in arrays.items() if n.startswith("ridge.")})
        texts = [as_text(arrays[f"booster.{i}"]) for i in range(FOLDS)]
        try:
            self._boosters = [lightgbm.Booster(model_str=text) for text in texts]
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error)) from None


class Trees(LearnedPredictor):
    """Boosted trees and a line on choices, sums and counts."""

    name = "trees"
    features = NetworkFeatures
    regressor = TreesRegressor
