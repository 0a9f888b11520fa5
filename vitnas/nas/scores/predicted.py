"""PredictedScore: what a fitted predictor expects of an arch, for a search without supernet, images and torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vitnas.nas.fit_predictor import PREDICTOR_FILE, PredictorFit
from vitnas.nas.quantity import std_of
from vitnas.predictors import Predictor, load_predictor
from vitnas.search_spaces import Arch, SearchSpace


@dataclass(frozen=True)
class PredictedScore:
    """Scores archs as `vitnas predictor fit` learned to.

    Attributes:
        predictor: fitted.
        quantity: that it learned, such as "accuracy".
        origin: what it learned from.
    """

    predictor: Predictor
    quantity: str
    origin: str

    @classmethod
    def read(cls, folder: Path, space: SearchSpace) -> PredictedScore:
        """Reads the folder that a fit left, or the predictor's file in it."""
        folder = folder.parent if folder.name == PREDICTOR_FILE else folder
        fit, predictor = PredictorFit.load(folder), load_predictor(folder / PREDICTOR_FILE, space)
        source = ", ".join(f"{name} {value}" for name, value in fit.origin.items())
        return cls(predictor, fit.quantity, f"predicted by {fit.predictor} from {len(fit.archs)} archs of {source}")

    def __call__(self, arch: Arch) -> dict[str, float]:
        """The quantity and its standard deviation."""
        found = self.predictor.predict([arch])
        return {self.quantity: float(found.mean[0]), std_of(self.quantity): float(found.std[0])}
