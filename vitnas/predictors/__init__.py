"""Predictors: the score of an architecture learned from a few evaluated ones. No torch in the ridge predictor."""

from __future__ import annotations

from vitnas.predictors.predictor import Predictor, load_predictor
from vitnas.predictors.regressor import Prediction, Regressor
from vitnas.registry import Registry

PREDICTORS: Registry[type[Predictor]] = Registry(
    "predictor",
    "vitnas.predictors",
    {
        "auto": "vitnas.predictors.auto:Auto",
        "gp": "vitnas.predictors.gp:GP",
        "mlp": "vitnas.predictors.mlp:MLP",
        "ridge": "vitnas.predictors.ridge:Ridge",
        "trees": "vitnas.predictors.trees:Trees",
    },
)

__all__ = ["PREDICTORS", "Prediction", "Predictor", "Regressor", "load_predictor"]
