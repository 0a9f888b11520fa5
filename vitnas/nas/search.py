"""The search: spend a budget of true evaluations where a predictor and the tables of costs say it pays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from vitnas.errors import SearchError, suggest
from vitnas.files import only_here
from vitnas.nas.executor import Executor, SerialExecutor
from vitnas.nas.limits import Limits
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto import ParetoFront, Point
from vitnas.nas.records import Progress, write_evaluations
from vitnas.nas.searchers import SEARCHERS, Searcher
from vitnas.nas.selection import spread_over_cost
from vitnas.nas.settings import NO_PREDICTOR, SearchSettings
from vitnas.nas.study import Evaluation, Study
from vitnas.predictors import PREDICTORS
from vitnas.run import environment
from vitnas.search_spaces import Arch, Codes, SearchSpace
from vitnas.search_spaces.reach import ENUMERABLE, CostOf, evaluate

Score = Callable[[Arch], Mapping[str, float]]


def search(
    space: SearchSpace,
    score: Score,
    costs: Mapping[str, CostOf],
    settings: SearchSettings,
    folder: Path,
    executor: Executor | None = None,
    progress: bool = True,
    origin: Mapping[str, str] | None = None,
) -> ParetoFront:
    """Finds the archs of a space that no other evaluated one beats, and writes them to a folder.

    Killed at any moment, the same call goes on where it stopped and ends with the same front.

    Args:
        space: where archs come from.
        score: evaluates one arch for real; gives every objective that `costs` does not, and perhaps more.
        costs: quantity -> its value for a whole population, from tables and counts.
        settings: objectives, limits, budget, seed.
        folder: gets study.db, front.json and evaluations.parquet.
        executor: where `score` runs; in this process by default.
        progress: shows a bar on stderr.
        origin: what the figures come from, such as ``{"device": "cpu", "supernet": "step-00001000"}``; named in
            messages and kept in the front. A search is not continued with figures of other origin.
    """
    origin = dict(origin or {})
    objectives = tuple(Objective.named(name) for name in settings.objectives)
    limits = Limits(space, costs, settings.limits, origin.get("device"), settings.seed)
    if all(o.name in costs for o in objectives) and objectives:
        raise SearchError(
            f"objectives {[o.name for o in objectives]} all come from tables, so there is nothing to evaluate; add accuracy"
        )
    everything = _everything(space, limits, settings.evaluations)
    searcher = _searcher(space, limits, costs, settings) if everything is None else None
    with only_here(folder, "search"):
        study = Study(space, objectives, settings.storage or _sqlite(folder), _study_name(folder), origin)
        with Progress(progress, settings.evaluations if everything is None else len(everything)) as bar:
            evaluator = _Evaluator(space, score, costs, objectives, study, executor or SerialExecutor(), bar)
            if everything is not None:
                evaluator(everything)
            else:
                assert searcher is not None
                _alternate(searcher, evaluator, _initial(space, limits, costs, settings), settings)
        front = ParetoFront.of(
            space,
            objectives,
            evaluator.points(),
            seed=settings.seed,
            config={**settings.deciding(), "origin": origin},
            versions={key: environment()[key] for key in ("vitnas", "python", "packages")},
        )
        write_evaluations(folder / "evaluations.parquet", evaluator.evaluations, front)
        front.save(folder / "front.json")
    return front


class _Evaluator:
    """Evaluates archs that the study does not know yet, and keeps count of all that were asked for."""

    def __init__(
        self,
        space: SearchSpace,
        score: Score,
        costs: Mapping[str, CostOf],
        objectives: tuple[Objective, ...],
        study: Study,
        executor: Executor,
        bar: Progress,
    ) -> None:
        self._space = space
        self._score = score
        self._costs = costs
        self._objectives = objectives
        self._study = study
        self._executor = executor
        self._bar = bar
        self.evaluations: list[Evaluation] = []

    def __call__(self, codes: Codes) -> tuple[Codes, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
        """Those of these archs whose evaluation succeeded, and their objectives to minimise, in the given order."""
        archs = self._space.decode(codes)
        tables = {name: evaluate(name, cost, codes) for name, cost in self._costs.items()}
        todo = [i for i, arch in enumerate(archs) if self._study.find(arch) is None]
        self._bar.advance(len(archs) - len(todo))
        # Recorded as they come, so that a kill loses only what was in work; used in the order of asking.
        for position, outcome in self._executor.as_completed(self._score, [archs[i] for i in todo]):
            i = todo[position]
            table = {name: float(values[i]) for name, values in tables.items()}
            metrics, error = self._check(outcome.value, outcome.error)
            kept = {**metrics, **table} if error is None else {}
            self._study.record(Evaluation(archs[i], kept, outcome.seconds, error))
            self._bar.advance(1)
        good = []
        for i, arch in enumerate(archs):
            found = self._study.find(arch)
            assert found is not None
            if found.error is None:
                table = {name: float(values[i]) for name, values in tables.items()}
                found = Evaluation(arch, {**found.metrics, **table}, found.seconds)
                good.append(i)
            self.evaluations.append(found)
        latest = self.evaluations[len(self.evaluations) - len(archs) :]
        rows = [[o.sign * e.metrics[o.name] for o in self._objectives] for e in latest if e.error is None]
        return codes[good], np.array(rows, dtype=np.float64).reshape(len(good), len(self._objectives))

    def points(self) -> list[Point]:
        """Every arch evaluated well, with its objectives."""
        good = [e for e in self.evaluations if e.error is None]
        if not good:
            reasons = sorted({e.error for e in self.evaluations if e.error})
            raise SearchError(f"all {len(self.evaluations)} evaluations failed, the first with: {reasons[0]}")
        names = [o.name for o in self._objectives]
        provenance = {name: "table" if name in self._costs else "measured" for name in names}
        return [Point(e.arch, {name: e.metrics[name] for name in names}, provenance) for e in good]  # type: ignore[arg-type]

    def _check(self, metrics: Mapping[str, float] | None, error: str | None) -> tuple[dict[str, float], str | None]:
        """Refuses results that miss an objective or are no numbers."""
        if error is not None or metrics is None:
            return {}, error or "the evaluation returned nothing"
        missing = [o.name for o in self._objectives if o.name not in self._costs and o.name not in metrics]
        if missing:
            raise SearchError(
                f"objective '{missing[0]}' is neither a cost nor a score; {suggest(missing[0], [*self._costs, *metrics])}"
            )
        values = {name: float(value) for name, value in metrics.items()}
        odd = [name for name, value in values.items() if not math.isfinite(value)]
        return values, f"{odd[0]} is {values[odd[0]]}" if odd else None


def _alternate(searcher: Searcher, evaluator: _Evaluator, initial: Codes, settings: SearchSettings) -> None:
    """Evaluates the initial archs and then, batch by batch, what the searcher asks for, until the budget is spent."""
    codes = initial
    while len(codes):
        searcher.skip(codes)
        searcher.tell(*evaluator(codes))
        left = settings.evaluations - len(evaluator.evaluations)
        if left == 0:
            return
        codes = searcher.ask(min(settings.batch, left))


def _searcher(space: SearchSpace, limits: Limits, costs: Mapping[str, CostOf], settings: SearchSettings) -> Searcher:
    chosen = SEARCHERS.load(settings.searcher)
    if settings.predictor == NO_PREDICTOR:
        return chosen(space, limits, settings.seed, settings.population)
    from vitnas.nas.searchers.linas import Linas

    return Linas(
        space,
        limits,
        settings.seed,
        settings.population,
        objectives=settings.objectives,
        costs=costs,
        inner=chosen,
        predictor=PREDICTORS.load(settings.predictor),
        generations=settings.generations,
    )


def _initial(space: SearchSpace, limits: Limits, costs: Mapping[str, CostOf], settings: SearchSettings) -> Codes:
    """Spread over the first cost that is an objective or limited, or over any; without costs, drawn at random."""
    rng = np.random.default_rng([settings.seed, 1])
    n = min(settings.initial, settings.evaluations)
    quantity = next((name for name in (*settings.objectives, *settings.limits, *costs) if name in costs), None)
    if quantity is None:
        ends = space.encode([space.smallest(), space.largest()])
        drawn = np.concatenate([ends, space.genome.sample(n, rng)])
        return drawn[np.sort(np.unique(drawn, axis=0, return_index=True)[1])][:n]
    return spread_over_cost(space, limits, quantity, costs[quantity], n, rng)


def _everything(space: SearchSpace, limits: Limits, evaluations: int) -> Codes | None:
    """All archs within the limits, if the budget is enough for them."""
    if space.genome.size() > ENUMERABLE:
        return None
    codes = space.genome.enumerate()
    codes = codes[limits.allow(codes)]
    return codes if len(codes) <= evaluations else None


def _sqlite(folder: Path) -> str:
    return f"sqlite:///{(folder / 'study.db').resolve()}"


def _study_name(folder: Path) -> str:
    return folder.resolve().name
