"""Auto: the predictor that does best on archs it has not seen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SettingsError
from vitnas.extras import installed
from vitnas.predictors.features import Features, FeaturesBeside
from vitnas.predictors.learned import LearnedPredictor
from vitnas.predictors.metrics import RankReport, compare
from vitnas.predictors.predictor import Predictor
from vitnas.predictors.regressor import Arrays, Floats, Regressor, as_array, as_text
from vitnas.search_spaces import Codes, SearchSpace
from vitnas.search_spaces.cost_range import CostOf

CANDIDATES = ("gp", "mlp", "trees", "ridge")
JUDGED_ON = 400
"""Archs that candidates compete on; the winner learns from all."""


@dataclass(frozen=True)
class Trial:
    """How well a candidate with these options predicts archs that were left out of its fit."""

    predictor: str
    options: Mapping[str, float]
    report: RankReport

    @property
    def merit(self) -> tuple[float, float]:
        """Ranking first, error second."""
        return (self.report.kendall, -self.report.mae)


class Auto(LearnedPredictor):
    """Tries each candidate as it is, then Optuna varies their options for as long as it may; the best learns from all.

    Trees take part where lightgbm is installed. Every candidate predicts each arch from a fit without it (or without its fold), and the highest Kendall tau wins.
    Without `seconds` the choice depends on the data alone; with them, also on how fast the machine is.

    Attributes:
        trials: of the last fit, in the order of trying.
        winner: the best of them.
    """

    name = "auto"

    def __init__(self, space: SearchSpace, seconds: float = 0.0) -> None:
        """Starts without knowledge.

        Args:
            space: whose archs are predicted.
            seconds: how long options are varied, after all candidates were tried once.
        """
        Predictor.__init__(self, space)
        if not 0 <= seconds < float("inf"):
            raise SettingsError(f"auto predictor: seconds = {seconds:g}: must be zero or more")
        self._seconds = seconds
        self._known: dict[type[Features], Features] = {}
        self.trials: list[Trial] = []
        self.winner: Trial

    def reading(self, *also: CostOf) -> Self:
        self._known, self._also = {}, also
        return self

    def _fit(self, codes: Codes, scores: Floats) -> None:
        few = np.random.default_rng(0).permutation(len(codes))[:JUDGED_ON]
        if scores[few].min() == scores[few].max():
            few = np.arange(len(codes))
        self.trials = []
        tables: dict[Features, Floats] = {}

        def attempt(name: str, **options: float) -> Trial:
            features, regressor = self._candidate(name, **options)
            if features not in tables:
                tables[features] = features(codes[few])
            regressor.fit(tables[features], scores[few])
            self.trials.append(Trial(name, regressor.chosen, compare(regressor.held_out, scores[few])))
            return self.trials[-1]

        for name in self._candidates():
            attempt(name)
        if self._seconds > 0:
            self._vary(attempt)
        self.winner = max(self.trials, key=lambda trial: trial.merit)
        self._features, self._regressor = self._candidate(self.winner.predictor, **self.winner.options)
        super()._fit(codes, scores)

    def _vary(self, attempt: Any) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        variable = [name for name in self._candidates() if _class(name).regressor.options]
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), direction="maximize")

        def objective(trial: Any) -> float:
            name = trial.suggest_categorical("predictor", variable)
            options = _class(name).regressor.options.items()
            chosen = {key: trial.suggest_float(f"{name}.{key}", o.low, o.high, log=True) for key, o in options}
            return attempt(name, **chosen).report.kendall  # type: ignore[no-any-return]

        for name in variable:
            defaults = {f"{name}.{key}": option.default for key, option in _class(name).regressor.options.items()}
            study.enqueue_trial({"predictor": name, **defaults})
        end = time.monotonic() + self._seconds
        study.optimize(objective, timeout=max(end - time.monotonic(), 0.0))

    def _candidates(self) -> list[str]:
        return [name for name in CANDIDATES if name != "trees" or installed("lightgbm")]

    def _candidate(self, name: str, **options: float) -> tuple[Features, Regressor]:
        found = _class(name)
        if found.features not in self._known:
            own = found.features(self.space)
            self._known[found.features] = FeaturesBeside(own, self._also) if self._also else own
        features = self._known[found.features]
        return features, found.regressor(features.groups, **options)

    def _state(self) -> Arrays:
        return {**super()._state(), "winner": as_array(self.winner.predictor)}

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        name = as_text(arrays["winner"])
        if name not in CANDIDATES:
            raise ValueError(f"its winner is '{name}'")
        self._features, self._regressor = self._candidate(name)
        super()._restore(arrays)
        self.winner = Trial(name, self._regressor.chosen, self.report)


def _class(name: str) -> type[LearnedPredictor]:
    from vitnas.predictors import PREDICTORS

    found = PREDICTORS.load(name)
    assert issubclass(found, LearnedPredictor)
    return found
