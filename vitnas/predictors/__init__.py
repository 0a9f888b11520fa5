"""Predictors: the score of an architecture learned from a few evaluated ones. No torch in the ridge predictor."""

from __future__ import annotations

from vitnas.predictors.predictor import Prediction, Predictor
from vitnas.registry import Registry

PREDICTORS: Registry[type[Predictor]] = Registry(
    "predictor",
    "vitnas.predictors",
    {
        "ridge": "vitnas.predictors.ridge:Ridge",
    },
)

__all__ = ["PREDICTORS", "Prediction", "Predictor"]
