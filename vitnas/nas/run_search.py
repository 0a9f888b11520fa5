"""A search from what is there: a supernet that judges or scores without training, tables that cost, archs to begin with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vitnas.display import Shown
from vitnas.errors import CheckpointError, SearchError, suggest
from vitnas.files import is_locked
from vitnas.latency_lut.devices.menus import Compression
from vitnas.latency_lut.table import LatencyTable
from vitnas.loggers.names import refuse_missing
from vitnas.nas.early import ACCURACY
from vitnas.nas.execution import make_executor
from vitnas.nas.execution.place import computed_on
from vitnas.nas.execution.together import Score
from vitnas.nas.fronts import archs_to_begin_with
from vitnas.nas.learned import check_importance, compensate, importance_of
from vitnas.nas.objectives import objectives_named
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.problem import Problem
from vitnas.nas.quantity import OF_A_DEVICE, SHORT, Quantity
from vitnas.nas.scores.predicted import PredictedScore
from vitnas.nas.scores.remembered import RememberedScore, remembered
from vitnas.nas.search import check_search, device_front_file, search
from vitnas.nas.settings import BY_IMPORTANCE, NO_PREDICTOR, SearchSettings
from vitnas.nas.study import refuse_other_study
from vitnas.nas.targets.costs import SIMULATED, costs_of, without_latency
from vitnas.nas.targets.find import Say, find_target
from vitnas.nas.targets.target import Target
from vitnas.nas.unsearched import unsearched, weighed
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Compressed, SearchSpace
from vitnas.search_spaces.answers import metric_of, metrics

FEWEST_INITIAL = 2
"""Evaluations before the first prediction, where enough are known."""


@dataclass(frozen=True)
class SearchResult(Shown, view="search"):
    """What a search left.

    Attributes:
        folder: where all of it lies.
        front: over all objectives.
        of_devices: device -> its own front, where the search was for several.
        baselines: name -> arch that was evaluated to hold the front against.
    """

    folder: Path
    front: ParetoFront
    of_devices: Mapping[str, ParetoFront]
    baselines: Mapping[str, Arch] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchRequest:
    """What a search starts from besides its settings.

    Attributes:
        devices: whose latency counts.
        run: its supernet judges; without one archs are scored without training.
        space: of a search without a run.
        tables: latency tables to use before any other.
        folder: of the result; by default in the run, or in ``searches``.
        warm: a front.json, or a folder with one, whose archs are evaluated early.
        include: archs that are evaluated whatever they cost.
        ray_address: of a running Ray cluster to join.
        fitted: folder of a fitted predictor that judges instead of a supernet, with no other predictor beside it.
        compression: of the space, if layers are to have precisions too.
    """

    devices: tuple[str, ...]
    run: RunFolder | None = None
    space: SearchSpace | None = None
    tables: tuple[Path, ...] = ()
    folder: Path | None = None
    warm: Path | None = None
    include: tuple[Arch, ...] = ()
    ray_address: str | None = None
    fitted: Path | None = None
    compression: Compression | None = None

    @property
    def timed(self) -> tuple[str, ...]:
        """The devices whose latency counts: none where precisions are simulated."""
        return () if self.compression is not None and self.compression.simulated else self.devices


def start_search(
    request: SearchRequest, settings: SearchSettings, say: Say = print, progress: bool = True
) -> SearchResult:
    """Searches, and writes what it found.

    Args:
        request: what there is.
        settings: objectives, limits, budget, workers.
        say: told what the result will rest on.
        progress: shows a bar on stderr.
    """
    refuse_twice(request.devices)
    run = request.run
    space = run.space if run is not None else request.space
    if space is None:
        raise SearchError("there is neither a run nor a space to search; give one of the two")
    if request.compression is not None:
        space = request.compression.of(space, request.devices)
        say(f"precisions: {', '.join(space.menu)}")
    if request.timed != request.devices:
        settings = without_latency(settings, say)
    settings = settings.on_devices(request.timed)
    predicted = PredictedScore.read(request.fitted, space) if request.fitted is not None else None
    if predicted is None and run is not None and is_locked(run.path):
        raise CheckpointError(
            f"run '{run.path}' is still training; wait for its end, name another with --run, or search without one "
            f"with --space {space.name}"
        )
    if predicted is not None:
        say(f"nothing is evaluated: {predicted.quantity} is {predicted.origin}")
        settings = replace(settings, predictor=NO_PREDICTOR)
    elif run is None:
        if isinstance(space, Compressed):
            raise SearchError(
                f"space '{space.name}' has precisions, which scores without training do not see: the fewest bits would win "
                "everywhere. Search a trained run with --run, or with a fitted predictor with --predict"
            )
        settings = _standing_for_accuracy(
            settings, "score", say, "no trained supernet: archs are scored without training"
        )
    elif (metric := metric_of(space.task.answer)) != ACCURACY:
        settings = _standing_for_accuracy(
            settings, metric, say, f"answers of this run are judged by {metrics()[metric]}"
        )
    scores = (
        (predicted.quantity,)
        if predicted is not None
        else (metric_of(space.task.answer), "loss")
        if run is not None
        else ("score",)
    )
    _check_names(settings, request.timed, scores)
    if run is None or predicted is not None:
        _check_untrained(settings)
    refuse_missing(settings.loggers)
    if settings.baselines:
        weighed(objectives_named(settings.objectives))
    warm = archs_to_begin_with(request.warm, space) if request.warm is not None else []
    folder = request.folder or _folder(request, space)
    refuse_other_study(space, objectives_named(settings.objectives), folder, settings.study)
    judged_on = "cpu" if predicted is not None else settings.torch_device
    timeout_s, gpus = settings.timeout or None, settings.gpus_per_worker
    with make_executor(settings.workers, request.ray_address, timeout_s, judged_on, gpus) as executor:
        executor.start()
        targets = [_target(name, request, space, folder, settings, say) for name in request.timed]
        device = computed_on(executor) if predicted is None else None
        problem = _problem(space, targets, settings)
        check_search(problem, _kind_of_score(run, predicted), settings)
        if run is not None and predicted is None:
            check_importance(space, settings)
            compensate(run, settings, say)
            problem = problem.weighing(importance_of(run, space, settings, say))
        score: Score
        if predicted is not None:
            score = predicted
            problem = problem.stating({"supernet": f"none: {predicted.origin}"}, {predicted.quantity: "predicted"})
        elif run is not None:
            from vitnas.nas.scores.supernet import SupernetScore
            from vitnas.supernets.weights.checkpoints import newest_weights

            score = SupernetScore.of(run, torch_device=executor.torch_device, space=space, say=say)
            origin = {"supernet": newest_weights(run)}
            problem = problem.stating(origin, {})
            known = remembered(run, origin if device is None else {**origin, "torch_device": device}, space)
            if known:
                score, settings = RememberedScore(score, known), _beside(known, problem, settings, say)
                warm = [*warm, *known]
        else:
            from vitnas.nas.scores.training_free import TrainingFree

            free = TrainingFree.of(problem, folder / "reference.json", executor, settings.seed, say)
            score, warm = free, [*warm, *free.reference]
            supernet = f"none: scored without training among archs {free.id}"
            problem = problem.stating({"supernet": supernet}, {"score": "training-free"})
        if device is not None:
            say(f"archs are judged on {device}, whose figures agree with those of a processor to rounding")
            problem = problem.stating({"torch_device": device}, {})
        baselines = unsearched(problem, settings.baselines, settings.seed) if settings.baselines else {}
        front = search(
            problem, score, settings, folder,
            include=(*request.include, *baselines.values()), warm=warm, executor=executor, progress=progress,
        )  # fmt: skip
    several = request.timed if len(request.timed) > 1 else ()
    of_devices = {name: ParetoFront.load(device_front_file(folder, name), space) for name in several}
    return SearchResult(folder, front, of_devices, baselines)


def _folder(request: SearchRequest, space: SearchSpace) -> Path:
    """Where a result lies by default: that of a compressed space beside that of its base, on the same devices."""
    label = "+".join(request.timed) or SIMULATED
    if request.run is None:
        return Path("searches") / f"{space.file_name}-{label}"
    return request.run.folder_of(f"search-{label}", space if request.timed else request.run.space)


def refuse_twice(devices: Sequence[str]) -> Sequence[str]:
    """The devices, each of which is named once."""
    if not devices or len(set(devices)) != len(devices):
        raise SearchError(f"devices {list(devices)}: name at least one, each once")
    return devices


def _kind_of_score(run: RunFolder | None, predicted: PredictedScore | None) -> object:
    """What will judge archs, or its class, as far as it can be told without loading weights."""
    if predicted is not None:
        return predicted
    if run is not None:
        from vitnas.nas.scores.supernet import SupernetScore

        return SupernetScore
    from vitnas.nas.scores.training_free import TrainingFree

    return TrainingFree


def _beside(known: Collection[Arch], problem: Problem, settings: SearchSettings, say: Say) -> SearchSettings:
    """The same budget beside what is known, which is what the search begins with."""
    within = int(problem.limits.allow(problem.space.encode(list(known))).sum())
    say(f"{within} archs that `vitnas predictor fit` evaluated keep the limits; the search begins with them")
    return replace(
        settings, evaluations=settings.evaluations + within, initial=max(FEWEST_INITIAL, settings.initial - within)
    )


def _standing_for_accuracy(settings: SearchSettings, metric: str, say: Say, why: str) -> SearchSettings:
    """The same with what is told of archs here for accuracy."""
    if ACCURACY not in settings.objectives:
        return settings
    say(f"{why}, and '{metric}' stands for accuracy")
    return replace(settings, objectives=tuple(metric if o == ACCURACY else o for o in settings.objectives))


def _check_names(settings: SearchSettings, devices: Sequence[str], scores: Sequence[str]) -> None:
    """Refuses quantities that nothing gives, before anything is read or made."""
    of_devices = [str(Quantity(name).on(device, devices)) for name in OF_A_DEVICE for device in devices]
    costs = [*of_devices, *(name for name in SHORT.values() if name not in OF_A_DEVICE), "macs", "bitops"]
    for name in settings.objectives:
        if name not in costs and name not in scores:
            raise SearchError(f"unknown objective '{name}'; {suggest(name, [*scores, *costs])}")
    for name in settings.limits:
        if name not in costs:
            raise SearchError(f"cannot limit '{name}'; {suggest(name, costs)}")


def _check_untrained(settings: SearchSettings) -> None:
    """Refuses what only the supernet of a run can give, where none judges."""
    if settings.searcher in BY_IMPORTANCE:
        raise SearchError(
            f"{settings.searcher} weighs what a trained supernet has learned, and none judges here; give a run with --run, "
            "train one with `vitnas train-supernet`, or choose another searcher"
        )
    if settings.compensate:
        raise SearchError(
            "[search] compensate is true, but no supernet of a run judges here, so nothing is cut out of one; leave it out, "
            "or give a run with --run"
        )


def _target(
    name: str, request: SearchRequest, space: SearchSpace, folder: Path, settings: SearchSettings, say: Say
) -> Target:
    given = [path for path in request.tables if LatencyTable.read(path).header.device == name]
    if request.tables and len(request.devices) == 1 and not given:
        given = [request.tables[0]]  # refused with both names
    if request.run is not None:
        places = [*given, request.run.latency_file(name)]
        remedy = f"vitnas profile --run {request.run.path} --device {name}"
    else:
        base = space.base if isinstance(space, Compressed) else space
        places = [*given, folder / "latency" / f"{name}.parquet", Path(f"{base.file_name}-{name}.parquet")]
        named = base.source.name if base.source is not None else base.name
        remedy = f"vitnas profile --space {named} --device {name}{' --compress' if base is not space else ''}"
    home = places[-1] if request.run is not None else folder / "latency" / f"{name}.parquet"
    return find_target(space, name, places, home, remedy, settings.measure, say, settings.strict)


def _problem(space: SearchSpace, targets: Sequence[Target], settings: SearchSettings) -> Problem:
    """What the tables of the devices say of archs, and what kind of figures that are."""
    costs, provenance = costs_of(space, targets)
    devices, tables = (
        ", ".join(told) for told in ([t.name for t in targets], [t.table.header.created for t in targets])
    )
    origin = {"device": devices, "table": tables} if targets else {"precisions": SIMULATED}
    objectives = objectives_named(settings.objectives)
    return Problem(space, objectives, costs, settings.limits, tuple(targets), provenance, origin, seed=settings.seed)
