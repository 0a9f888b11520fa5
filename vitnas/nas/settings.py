"""What a search may be told: table [search] of a settings file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Literal

from msgspec import Meta

from vitnas.loggers.names import LoggerNames, refuse_unknown
from vitnas.nas.quantity import Quantity, spell_out
from vitnas.settings import Count, Natural, NotNegative, Positive, Seconds, Settings, TorchDevice, about

NO_PREDICTOR = "none"
WEIGHT_GRADIENT = "weight_gradient"
AUTO = "auto"
AtLeastTwo = Annotated[int, Meta(ge=2)]
JudgedOn = Annotated[
    TorchDevice,
    about(
        "Where archs are judged: cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one. Figures of a GPU agree "
        "with those of a processor to rounding, and the result says which they are."
    ),
]
PartOfGpu = Annotated[
    Annotated[float, Meta(gt=0, le=1)] | None,
    about("Part of a GPU that each Ray worker takes; left out, workers share those there are evenly."),
]
BY_IMPORTANCE = ("programme", "slimming")
"""Searchers that weigh what a trained supernet has learned."""
UNTRAINED: dict[str, Any] = {"evaluations": 80, "initial": 8, "batch": 12}
"""Settings of a search without training unless others are given."""


@dataclass(frozen=True)
class SearchSettings(Settings):
    """How to search."""

    table = "search"

    objectives: Annotated[
        tuple[str, ...],
        about(
            "Quantities to weigh: accuracy, latency, energy, params, macs, memory or size. Accuracy and score are "
            "maximised, all others minimised; in a search for several devices latency stands for that of each. Where a run "
            "is judged by another metric, such as map or miou, accuracy stands for that."
        ),
    ] = ("accuracy", "latency_ms")
    limits: Annotated[
        dict[str, Positive],
        about('The most that a quantity may be, such as latency_ms = 1.5 or "latency_ms@iphone12" = 1.5.'),
    ] = field(default_factory=dict)
    evaluations: Annotated[Count, about("Archs to evaluate for real.")] = 200
    seconds: Annotated[
        Seconds,
        about("Time after which no more batch begins; 0 for no limit. The front then depends on the machine."),
    ] = 0.0
    patience: Annotated[
        Natural, about("Stop after this many batches in a row that hardly add to the hypervolume; 0 goes on.")
    ] = 5
    initial: Annotated[
        AtLeastTwo, about("Evaluations before the first prediction, spread over the range of costs.")
    ] = 40
    batch: Annotated[Count, about("Evaluations between two predictions.")] = 20
    searcher: Annotated[
        str,
        about(
            "How to search, see docs/searchers.md; walks over predictions, or over true evaluations if predictor is "
            "none. auto chooses by the size of the space, the objectives and the budget."
        ),
    ] = AUTO
    predictor: Annotated[str, about("What learns scores from the evaluated archs, or none.")] = "gp"
    population: Annotated[AtLeastTwo, about("Archs in a generation.")] = 100
    generations: Annotated[Count, about("Generations on predictions for every batch of true evaluations.")] = 100
    importance: Annotated[
        str,
        about(
            "What slimming and programme weigh: weight_gradient, taylor, self_distillation, activation, dimap or "
            "output_error, see docs/searchers.md."
        ),
    ] = WEIGHT_GRADIENT
    compensate: Annotated[
        bool | None,
        about(
            "Let the channels that stay make up for those that are cut away, by least squares on training images: true "
            "measures what that needs, once a run; left out, archs are compensated where the run has it."
        ),
    ] = None
    baselines: Annotated[
        Natural,
        about(
            "Archs that nobody searched for, to hold the front against: so many uniformly scaled and as many random ones "
            "within the limits. They count as evaluations."
        ),
    ] = 0
    stop_early: Annotated[
        bool,
        about(
            "Stop evaluating an arch once an evaluated one that costs no more beats it whatever the images left say. What is "
            "learned from is then less, so a predictor may ask for other archs."
        ),
    ] = False
    measure: Annotated[bool, about("Time archs whose latency is uncertain and matters, if the device is here.")] = True
    strict: Annotated[bool, about("Refuse a table that misses its stated error, instead of warning.")] = False
    seed: Annotated[Natural, about("Random seed; the same settings, seed included, give the same front.")] = 0
    workers: Annotated[
        Count, about("Ray workers that evaluate; 1 evaluates in this process. The front does not depend on it.")
    ] = 1
    torch_device: JudgedOn = "auto"
    gpus_per_worker: PartOfGpu = None
    timeout: Annotated[
        Seconds, about("Longest time of one evaluation before its worker is replaced; 0 for no limit.")
    ] = 0.0
    storage: Annotated[
        str,
        about(
            "Database of evaluations: a sqlite, postgresql or journal URL; left out, a SQLite file in the folder of the "
            "search."
        ),
    ] = ""
    study: Annotated[
        str,
        about("Name in the database; left out, that of the folder. Searches of one name share evaluations."),
    ] = ""
    loggers: LoggerNames = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        each_once = 0 < len(self.objectives) == len(set(self.objectives))
        self.demand("objectives", each_once, "at least one quantity, each once")
        from vitnas.nas.searchers import SEARCHERS
        from vitnas.predictors import PREDICTORS
        from vitnas.supernets.pruning.importances import IMPORTANCES

        if self.searcher != AUTO and self.searcher not in SEARCHERS:
            SEARCHERS.load(self.searcher)
        if self.predictor != NO_PREDICTOR and self.predictor not in PREDICTORS:
            PREDICTORS.load(self.predictor)
        if self.importance not in IMPORTANCES:
            IMPORTANCES.load(self.importance)
        weighed = self.searcher in BY_IMPORTANCE or self.importance == WEIGHT_GRADIENT
        self.demand(
            "importance", weighed, f"left out where searcher is none of {', '.join(BY_IMPORTANCE)}, which weigh it"
        )
        refuse_unknown(self.loggers, self.table)

    @classmethod
    def untrained(cls, **given: Any) -> SearchSettings:
        """For a search without training, where a proxy takes seconds an arch: a smaller budget unless one is given."""
        return cls(**{**UNTRAINED, **given})

    def on_devices(self, devices: Sequence[str]) -> SearchSettings:
        """The same with quantities by their full names; a limit on one device wins over that on all."""
        objectives = [o for name in self.objectives for o in spell_out(name, devices, "objective")]
        ranked = sorted(self.limits.items(), key=lambda limit: Quantity.parse(limit[0]).device is not None)
        limits = {q: most for name, most in ranked for q in spell_out(name, devices, "limit on")}
        return replace(self, objectives=tuple(dict.fromkeys(objectives)), limits=limits)

    def deciding(self) -> dict[str, Any]:
        """The settings that decide the front: not where evaluations run or are kept."""
        kept = asdict(self)
        for name in ("strict", "workers", "torch_device", "gpus_per_worker", "timeout", "storage", "study", "loggers"):
            del kept[name]
        if not self.stop_early:  # which files of an earlier version do not have
            del kept["stop_early"]
        return {**kept, "objectives": list(self.objectives)}


@dataclass(frozen=True)
class FitSettings(Settings):
    """How a predictor is learned from archs that the supernet of a run evaluates."""

    table = "predictor"

    samples: Annotated[Count, about("Archs to evaluate, at even steps of MACs from the least to the most.")] = 200
    predictor: Annotated[str, about("What learns, see docs/predictors.md; auto takes what ranks best.")] = AUTO
    quantity: Annotated[
        Literal["accuracy", "loss"], about("What to learn; accuracy stands for the metric of the run.")
    ] = "accuracy"
    tune_seconds: Annotated[
        NotNegative, about("Seconds for which auto may vary the options of its candidates, in all.")
    ] = 0.0
    seed: Annotated[Natural, about("Random seed of the archs.")] = 0
    workers: Annotated[Count, about("Ray workers; 1 stays in this process. Same result.")] = 1
    torch_device: JudgedOn = "auto"
    gpus_per_worker: PartOfGpu = None
    loggers: LoggerNames = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unknown(self.loggers, self.table)
