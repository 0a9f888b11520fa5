"""LearnedPredictor: the features of a space, and a regressor that learns from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vitnas.predictors.features import Features, FeaturesBeside
from vitnas.predictors.metrics import RankReport, compare
from vitnas.predictors.predictor import Predictor
from vitnas.predictors.regressor import CHUNK, Arrays, Floats, Prediction, Regressor
from vitnas.search_spaces import Codes, SearchSpace
from vitnas.search_spaces.cost_range import CostOf


class LearnedPredictor(Predictor):
    """A subclass names its features and its regressor; nothing else is needed.

    Attributes:
        report: how the last fit did on archs that it had not seen.
    """

    features: type[Features]
    regressor: type[Regressor]
    report: RankReport

    def __init__(self, space: SearchSpace, **options: float) -> None:
        """Starts without knowledge.

        Args:
            space: whose archs are predicted.
            options: numbers for the options of the regressor.
        """
        super().__init__(space)
        self._features: Features = self.features(space)
        self._options = options
        self._regressor = self.regressor(self._features.groups, **options)

    def reading(self, *also: CostOf) -> Self:
        if also:
            self._also = also
            self._features = FeaturesBeside(self._features, also)
            self._regressor = self.regressor(self._features.groups, **self._options)
        return self

    def _fit(self, codes: Codes, scores: Floats) -> None:
        self._regressor.fit(self._features(codes), scores)
        self.report = compare(self._regressor.held_out, scores)

    def _predict(self, codes: Codes) -> tuple[Floats, Floats]:
        rows = range(0, len(codes), CHUNK)
        parts = [self._regressor.predict(self._features(codes[start : start + CHUNK])) for start in rows]
        none = Prediction(np.empty(0), np.empty(0))
        return np.concatenate([p.mean for p in parts or [none]]), np.concatenate([p.std for p in parts or [none]])

    def _state(self) -> Arrays:
        figures = [np.nan if figure is None else figure for figure in astuple(self.report)]
        groups = np.array(self._features.groups, np.float64)
        return {**self._regressor.state(), "groups": groups, "report": np.array(figures, np.float64)}

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        if arrays["groups"].tolist() != list(self._features.groups):
            raise ValueError(f"learned from {arrays['groups'].sum():g} features, not {sum(self._features.groups)}")
        self._regressor.restore(arrays)
        kendall, spearman, mae, regret, num_archs, covered, _ = arrays["report"].tolist()
        self.report = RankReport(kendall, spearman, mae, regret, int(num_archs), covered)
