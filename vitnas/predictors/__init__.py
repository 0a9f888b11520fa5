"""Predictors: the score of an architecture learned from a few evaluated ones. No torch in the ridge predictor."""

from __future__ import annotations

from pathlib import Path

from vitnas.predictors.predictor import Predictor, read_predictor
from vitnas.predictors.regressor import Prediction, Regressor
from vitnas.registry import Registry
from vitnas.search_spaces import SearchSpace

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


def load_predictor(path: Path, space: SearchSpace) -> Predictor:
    """Whichever predictor a file holds, for the space that it was fitted on."""
    header, _ = read_predictor(path)
    return PREDICTORS.load(str(header.get("predictor"))).load(path, space)


__all__ = ["PREDICTORS", "Prediction", "Predictor", "Regressor", "load_predictor"]
