"""From a trained supernet to a fitted predictor: archs spread over complexity, evaluated, learned, reported, kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.display import Shown
from vitnas.errors import DataError, SearchError, SettingsError
from vitnas.files import only_here, read_json, refuse_other, write_json
from vitnas.loggers import LoggedRun
from vitnas.loggers.names import refuse_missing
from vitnas.loggers.opened import Loggers
from vitnas.loggers.plain import parameters_of
from vitnas.nas.early import ACCURACY
from vitnas.nas.evaluator import Evaluator
from vitnas.nas.execution import make_executor
from vitnas.nas.execution.executor import Executor
from vitnas.nas.execution.place import computed_on
from vitnas.nas.execution.together import Score
from vitnas.nas.learned import rounding_of
from vitnas.nas.objectives import objectives_named
from vitnas.nas.problem import Problem
from vitnas.nas.records import EvaluationBar
from vitnas.nas.selection import spread_over_cost
from vitnas.nas.settings import FitSettings
from vitnas.nas.study import STUDY_FILE, Evaluation, Study, database
from vitnas.predictors import PREDICTORS, Predictor
from vitnas.predictors.metrics import RankReport, compare, hold_out
from vitnas.predictors.predictor import FEWEST_ARCHS
from vitnas.run import RunFolder
from vitnas.search_spaces import Codes, SearchSpace
from vitnas.search_spaces.answers import metric_of
from vitnas.search_spaces.cost_range import CostOf
from vitnas.settings import make_settings

FEWEST_SAMPLES = FEWEST_ARCHS + 2
FOLDS = 5
PREDICTOR_FILE = "predictor.safetensors"
REPORT_FILE = "report.json"
FOLDER = "predictor"
"""In a run, by default."""


@dataclass(frozen=True)
class PredictorFit(Shown, view="fit"):
    """What became of a fit; held-out figures are of archs that a fit on the other folds had not seen.

    Attributes:
        space: name of the space.
        origin: what the scores come from.
        quantity: what was learned, such as "accuracy".
        predictor: name in the registry.
        winner: what an automatic choice settled on, its options and held-out figures; empty for others.
        report: held-out figures.
        archs: id of every evaluated arch.
        scores: what each was found to be.
        predicted: what was expected of it.
        std: how far off that may be.
        failed: archs whose evaluation failed.
    """

    space: str
    origin: dict[str, str]
    quantity: str
    predictor: str
    winner: dict[str, Any]
    report: RankReport
    archs: list[str]
    scores: list[float]
    predicted: list[float]
    std: list[float]
    failed: int = 0

    def save(self, folder: Path) -> None:
        write_json(folder / REPORT_FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> PredictorFit:
        """Reads what `save` wrote."""
        path = folder / REPORT_FILE
        if not path.is_file():
            raise DataError(f"'{folder}' holds no fitted predictor; fit one with `vitnas predictor fit`")
        found = make_settings(cls, read_json(path), str(path))
        if len({len(each) for each in (found.archs, found.scores, found.predicted, found.std)}) != 1:
            raise DataError(f"'{path}' is damaged: its lists differ in length; fit the predictor anew")
        if not np.isfinite([found.scores, found.predicted, found.std]).all():
            raise DataError(f"'{path}' is damaged: not all of its scores are numbers; fit the predictor anew")
        return found


def fit_predictor(
    run: RunFolder,
    settings: FitSettings,
    *,
    ray_address: str | None = None,
    folder: Path | None = None,
    progress: bool = True,
    space: SearchSpace | None = None,
) -> PredictorFit:
    """Evaluates archs on the weights of a run, learns from them, and leaves predictor and report in a folder.

    Killed at any moment, the same call goes on where it stopped; with more samples, it evaluates only those it lacks.

    Args:
        run: with a trained supernet.
        settings: how many archs, what learns, and what.
        ray_address: of a running Ray cluster to join.
        folder: by default ``predictor`` in the run, or ``predictor-compressed``.
        progress: shows a bar on stderr.
        space: of the archs: a compressed one over that of the run, which is what counts by default. Predictors that learn from
            features read the sum of its sensitivities too.
    """
    settings.demand(
        "samples",
        settings.samples >= FEWEST_SAMPLES,
        f"{FEWEST_SAMPLES} or more, for a fit needs at least {FEWEST_SAMPLES} archs, to hold some of them out",
    )
    space = space or run.space
    make = _maker(space, settings.predictor, settings.tune_seconds)
    folder = folder or run.folder_of(FOLDER, space)
    refuse_other(folder / REPORT_FILE, b'"predictor"', "report of a predictor")
    refuse_missing(settings.loggers)
    from vitnas.nas.scores.supernet import SupernetScore
    from vitnas.supernets.counting.population import PopulationCounter
    from vitnas.supernets.weights.checkpoints import newest_weights

    codes = spread_over_macs(space, settings.samples, settings.seed)
    where = settings.torch_device, settings.gpus_per_worker
    with (
        only_here(folder, "fit"),
        make_executor(settings.workers, ray_address, None, *where) as executor,
        _loggers(run, space, settings, folder) as loggers,
    ):
        executor.start()
        origin = {"supernet": newest_weights(run)}
        if (device := computed_on(executor)) is not None:
            origin["torch_device"] = device
        score = SupernetScore.of(run, torch_device=executor.torch_device, space=space)
        rounding = rounding_of(run, space)
        how = (folder, executor, origin, progress, loggers.places)
        quantity = metric_of(space.task.answer) if settings.quantity == ACCURACY else settings.quantity
        good, scores = evaluate_archs(space, codes, score, quantity, *how)
        if len(good) < FEWEST_SAMPLES:
            raise SearchError(
                f"{len(codes) - len(good)} of {len(codes)} evaluations failed; too few are left to learn from"
            )
        make_reading = partial(_reading, make, rounding)
        fitted = make_reading().fit(good, scores)
        held_out = hold_out(make_reading, good, scores, FOLDS)
        num_params = PopulationCounter(space)(good).num_params
        fit = PredictorFit(
            space.name,
            origin,
            quantity,
            settings.predictor,
            _winner(fitted),
            compare(held_out, scores, num_params),
            [arch.id for arch in space.decode(good)],
            scores.tolist(),
            held_out.mean.tolist(),
            held_out.std.tolist(),
            len(codes) - len(good),
        )
        fitted.save(folder / PREDICTOR_FILE)
        fit.save(folder)
        loggers.numbers(len(codes), {**asdict(fit.report), "failed": fit.failed})
        for file in (PREDICTOR_FILE, REPORT_FILE):
            loggers.artefact(folder / file)
    return fit


def _reading(make: Callable[[], Predictor], rounding: CostOf | None) -> Predictor:
    return make() if rounding is None else make().reading(rounding)


def _loggers(run: RunFolder, space: SearchSpace, settings: FitSettings, folder: Path) -> Loggers:
    """Opens them; a fit that goes on in its folder goes on in the same run of a logger."""
    told = dict(parameters_of({"run": run.path.name, "space": space.name, **asdict(settings)}))
    return Loggers(settings.loggers, LoggedRun("fit", run.path.resolve().name, folder, told), folder / "loggers.json")


def spread_over_macs(space: SearchSpace, n: int, seed: int) -> Codes:
    """Distinct archs at even steps of MACs, the extremes among them; all archs of a space that has fewer."""
    from vitnas.supernets.counting.population import PopulationCounter

    counter = PopulationCounter(space)
    problem = Problem(space, (), {"macs": lambda codes: counter(codes).macs}, seed=seed)
    return spread_over_cost(problem, "macs", n, np.random.default_rng([seed, 2]))


def evaluate_archs(
    space: SearchSpace,
    codes: Codes,
    score: Score,
    quantity: str,
    folder: Path,
    executor: Executor,
    origin: Mapping[str, str],
    progress: bool = True,
    places: Sequence[str] = (),
) -> tuple[Codes, NDArray[np.float64]]:
    """The archs whose evaluation succeeded, and their scores; what the study in the folder knows is not repeated.

    Args:
        space: of the archs.
        codes: the archs.
        score: evaluates one.
        quantity: of its figures, that is wanted.
        folder: keeps the study.
        executor: where `score` runs.
        origin: what the figures come from.
        progress: shows a bar on stderr.
        places: where numbers go, told above the bar.
    """
    problem = Problem(space, objectives_named([quantity]), origin=origin)
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(space, problem.objectives, database(folder), f"scores-{quantity}", origin)
    with EvaluationBar(progress, len(codes)) as bar:
        for place in places:
            bar.tell(place)
        evaluator = Evaluator(problem, score, study, executor, bar)
        good, values = evaluator(codes)
    return good, problem.objectives[0].sign * values[:, 0]


def evaluations_of(space: SearchSpace, fit: PredictorFit, folder: Path) -> list[Evaluation]:
    """The evaluations that a fit rests on, those that failed left out; none where their study is gone."""
    if not (folder / STUDY_FILE).is_file():
        return []
    study = Study(space, objectives_named([fit.quantity]), database(folder), f"scores-{fit.quantity}", fit.origin)
    return [one for one in study if one.is_whole]


def _maker(space: SearchSpace, name: str, tune_seconds: float) -> Callable[[], Predictor]:
    """Makes predictors of which every one that is fitted may spend its share of the time."""
    found = PREDICTORS.load(name)
    if tune_seconds == 0:
        return partial(found, space)
    from vitnas.predictors.auto import Auto

    if not issubclass(found, Auto):
        raise SettingsError(f"--tune-seconds is for the predictor 'auto', not '{name}'; leave it out")
    return partial(found, space, seconds=tune_seconds / (FOLDS + 1))


def _winner(fitted: Predictor) -> dict[str, Any]:
    from vitnas.predictors.auto import Auto

    if not isinstance(fitted, Auto):
        return {}
    one = fitted.winner
    return {
        "predictor": one.predictor,
        "options": dict(one.options),
        "kendall": one.report.kendall,
        "mae": one.report.mae,
        "tried": len(fitted.trials),
    }
