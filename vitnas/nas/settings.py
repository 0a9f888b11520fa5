"""What a search may be told: table [search] of a settings file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vitnas.errors import SettingsError
from vitnas.nas.quantity import Quantity, spell_out
from vitnas.nas.searchers import SEARCHERS
from vitnas.predictors import PREDICTORS

NO_PREDICTOR = "none"
AUTO = "auto"


@dataclass(frozen=True)
class SearchSettings:
    """How to search.

    Attributes:
        objectives: quantities to weigh; "accuracy" and "score" are maximised, all others minimised. In a search for
            several devices "latency_ms" stands for that of each.
        limits: quantity -> the most it may be, such as ``latency_ms = 1.5`` or ``"latency_ms@iphone12" = 1.5``.
        evaluations: true evaluations to spend.
        seconds: when they are over no more batch begins; 0 for no end. The front then depends on the machine.
        patience: stop after so many batches in a row that hardly add to the hypervolume; 0 goes on.
        initial: how many evaluations before the first prediction, spread over the range of costs.
        batch: how many of them between two predictions.
        searcher: walks over predictions, or over true evaluations when `predictor` is "none"; "auto" chooses by the
            size of the space, the objectives and the budget.
        predictor: learns scores from the evaluated archs, or "none".
        population: archs that a generation holds.
        generations: generations on predictions for every batch of true evaluations.
        measure: time archs whose latency is uncertain and matters, where the device is here.
        strict: refuse a table that misses its stated error, instead of warning.
        seed: the same settings, seed included, give the same front.
        workers: processes that evaluate; 1 evaluates in this one. The front does not depend on it.
        timeout: seconds that one evaluation may take before its worker is replaced; 0 for no end.
        storage: URL of the database to keep evaluations in, such as ``journal:///FILE`` or
            ``postgresql://...``; empty for a SQLite file in the folder of the search.
        study: its name there; empty for that of the folder. Searches that name the same one share evaluations.
    """

    objectives: tuple[str, ...] = ("accuracy", "latency_ms")
    limits: dict[str, float] = field(default_factory=dict)
    evaluations: int = 200
    seconds: float = 0.0
    patience: int = 5
    initial: int = 40
    batch: int = 20
    searcher: str = "auto"
    predictor: str = "gp"
    population: int = 100
    generations: int = 100
    measure: bool = True
    strict: bool = False
    seed: int = 0
    workers: int = 1
    timeout: float = 0.0
    storage: str = ""
    study: str = ""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not value >= least or math.isinf(value):
                raise SettingsError(f"[search] {name} = {value}: must be at least {least}")
        if not self.objectives or len(set(self.objectives)) != len(self.objectives):
            raise SettingsError(f"[search] objectives = {list(self.objectives)}: name at least one, each once")
        for quantity, most in self.limits.items():
            if not math.isfinite(most) or most <= 0:
                raise SettingsError(f"[search] limits.{quantity} = {most}: must be a number above zero")
        if self.searcher != AUTO and self.searcher not in SEARCHERS:
            SEARCHERS.load(self.searcher)
        if self.predictor != NO_PREDICTOR and self.predictor not in PREDICTORS:
            PREDICTORS.load(self.predictor)

    def on_devices(self, devices: Sequence[str]) -> SearchSettings:
        """The same with quantities by their full names; a limit on one device wins over that on all."""
        objectives = [o for name in self.objectives for o in spell_out(name, devices, "objective")]
        ranked = sorted(self.limits.items(), key=lambda limit: Quantity.parse(limit[0]).device is not None)
        limits = {q: most for name, most in ranked for q in spell_out(name, devices, "limit on")}
        return replace(self, objectives=tuple(dict.fromkeys(objectives)), limits=limits)

    def deciding(self) -> dict[str, Any]:
        """The settings that decide the front: not where evaluations run or are kept."""
        kept = asdict(self)
        for name in ("strict", "workers", "timeout", "storage", "study"):
            del kept[name]
        return {**kept, "objectives": list(self.objectives)}


_LEAST = {
    "evaluations": 1,
    "seconds": 0,
    "patience": 0,
    "timeout": 0,
    "initial": 2,
    "batch": 1,
    "population": 2,
    "generations": 1,
    "seed": 0,
    "workers": 1,
}
