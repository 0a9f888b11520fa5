"""What a search may be told: table [search] of a settings file."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from vitnas.errors import SettingsError
from vitnas.nas.searchers import SEARCHERS
from vitnas.predictors import PREDICTORS

NO_PREDICTOR = "none"


@dataclass(frozen=True)
class SearchSettings:
    """How to search.

    Attributes:
        objectives: quantities to weigh; "accuracy" and "score" are maximised, all others minimised.
        limits: quantity -> the most it may be, such as ``latency_ms = 1.5``.
        evaluations: true evaluations to spend.
        initial: how many of them before the first prediction, spread over the range of costs.
        batch: how many of them between two predictions.
        searcher: walks over predictions, or over true evaluations when `predictor` is "none".
        predictor: learns scores from the evaluated archs, or "none".
        population: archs that a generation holds.
        generations: generations on predictions for every batch of true evaluations.
        seed: the same settings, seed included, give the same front.
        workers: processes that evaluate; 1 evaluates in this one. The front does not depend on it.
        storage: URL of the database to keep evaluations in, such as ``journal:///FILE`` or
            ``postgresql://...``; empty for a SQLite file in the folder of the search.
    """

    objectives: tuple[str, ...] = ("accuracy", "latency_ms")
    limits: dict[str, float] = field(default_factory=dict)
    evaluations: int = 200
    initial: int = 40
    batch: int = 20
    searcher: str = "nsga2"
    predictor: str = "ridge"
    population: int = 100
    generations: int = 100
    seed: int = 0
    workers: int = 1
    storage: str = ""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value < least:
                raise SettingsError(f"[search] {name} = {value}: must be at least {least}")
        if not self.objectives or len(set(self.objectives)) != len(self.objectives):
            raise SettingsError(f"[search] objectives = {list(self.objectives)}: name at least one, each once")
        for quantity, most in self.limits.items():
            if not math.isfinite(most) or most <= 0:
                raise SettingsError(f"[search] limits.{quantity} = {most}: must be a number above zero")
        if self.searcher not in SEARCHERS:
            SEARCHERS.load(self.searcher)
        if self.predictor != NO_PREDICTOR and self.predictor not in PREDICTORS:
            PREDICTORS.load(self.predictor)

    def deciding(self) -> dict[str, Any]:
        """The settings that decide the front: not where evaluations run or are kept."""
        kept = asdict(self)
        for name in ("workers", "storage"):
            del kept[name]
        return {**kept, "objectives": list(self.objectives)}


_LEAST = {
    "evaluations": 1,
    "initial": 2,
    "batch": 1,
    "population": 2,
    "generations": 1,
    "seed": 0,
    "workers": 1,
}
