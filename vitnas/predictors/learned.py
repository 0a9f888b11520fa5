"""LearnedPredictor: the features of a space, and a regressor that learns from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.predictors.features import Features
from vitnas.predictors.predictor import Predictor
from vitnas.predictors.regressor import CHUNK, Arrays, Floats, Prediction, Regressor
from vitnas.search_spaces import Codes, SearchSpace


class LearnedPredictor(Predictor):
    """A subclass names its features and its regressor; nothing else is needed."""

    features: type[Features]
    regressor: type[Regressor]

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        self._features = self.features(space)
        self._regressor = self.regressor(self._features.groups)

    @property
    def learned(self) -> Regressor:
        """What learned, with what it predicted of archs that were left out."""
        return self._regressor

    def _fit(self, codes: Codes, scores: Floats) -> None:
        self._regressor.fit(self._features(codes), scores)

    def _predict(self, codes: Codes) -> tuple[Floats, Floats]:
        rows = range(0, len(codes), CHUNK)
        parts = [self._regressor.predict(self._features(codes[start : start + CHUNK])) for start in rows]
        none = Prediction(np.empty(0), np.empty(0))
        return np.concatenate([p.mean for p in parts or [none]]), np.concatenate([p.std for p in parts or [none]])

    def _state(self) -> Arrays:
        return {**self._regressor.state(), "groups": np.array(self._features.groups, np.float64)}

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        if arrays["groups"].tolist() != list(self._features.groups):
            raise ValueError(f"learned from {arrays['groups'].sum():g} features, not {sum(self._features.groups)}")
        self._regressor.restore(arrays)
