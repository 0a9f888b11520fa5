"""The search: spend a budget of true evaluations where a predictor and the tables of costs say it pays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vitnas.errors import SearchError
from vitnas.files import only_here, refuse_other
from vitnas.loggers.opened import Loggers
from vitnas.nas.early import check_early
from vitnas.nas.evaluator import Evaluator
from vitnas.nas.execution.executor import Executor, SerialExecutor
from vitnas.nas.execution.together import Score
from vitnas.nas.fronts import make_device_front, make_front
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.picks import counted
from vitnas.nas.problem import Problem
from vitnas.nas.records import EvaluationBar, Log, search_loggers, write_evaluations
from vitnas.nas.scores.finalists import judged_again
from vitnas.nas.searchers import SEARCHERS, Searcher
from vitnas.nas.searchers.choose import make_searcher
from vitnas.nas.selection import spread_over_cost
from vitnas.nas.settings import AUTO, SearchSettings
from vitnas.nas.stopping import Stopping
from vitnas.nas.study import Study, database
from vitnas.nas.targets.measuring import Measuring, measured_here
from vitnas.search_spaces import Arch, Codes
from vitnas.search_spaces.cost_range import ENUMERABLE
from vitnas.search_spaces.genome import distinct


def search(
    problem: Problem,
    score: Score,
    settings: SearchSettings,
    folder: Path,
    *,
    include: Sequence[Arch] = (),
    warm: Sequence[Arch] = (),
    executor: Executor | None = None,
    progress: bool = True,
) -> ParetoFront:
    """Finds the archs of a space that no other evaluated one beats, and writes them to a folder.

    Killed at any moment, the same call goes on where it stopped and ends with the same front.

    Args:
        problem: what is searched. A search is not continued with figures of other origin.
        score: evaluates one arch for real; gives every objective that no cost gives, and perhaps more. Of it and of the
            costs, ``NAME_std`` is the standard deviation of NAME. Its `ANSWERS`, if any, let accuracies be compared image
            by image.
        settings: budget, searcher, seed; objectives and limits are those of the problem.
        folder: gets study.db, front.json, evaluations.parquet and search.log, and front-DEVICE.json of several devices.
        include: evaluated first and whatever they cost, such as published baselines.
        warm: evaluated next if they keep the limits, such as the front of an earlier search.
        executor: where `score` runs; in this process by default.
        progress: shows a bar on stderr.
    """
    space = problem.space
    check_search(problem, score, settings)
    codes, searcher = _beginning(problem, settings, include, warm)
    for path, mark in ((folder / "front.json", b"vitnas-front"), (folder / "evaluations.parquet", b"arch_id")):
        refuse_other(path, mark, "result of a search")
    with only_here(folder, "search"):
        log = Log(folder / "search.log")
        storage, name = settings.storage or database(folder), settings.study or folder.resolve().name
        study = Study(space, problem.objectives, storage, name, problem.origin, shared=bool(settings.storage))
        log(f"{space.name}: {dict(problem.origin)}, {settings.deciding()}, {len(study)} evaluations known")
        with search_loggers(problem, settings, folder) as loggers:
            with EvaluationBar(progress, len(codes) if searcher is None else settings.evaluations) as bar:
                for place in loggers.places:
                    bar.tell(place)
                how = (executor or SerialExecutor(), bar, settings.stop_early, include)
                evaluator = Evaluator(problem, score, study, *how)
                measuring = Measuring(problem, evaluator, study, bar, settings.measure)
                _Loop(evaluator, measuring, settings, log, loggers).run(codes, searcher)
                measuring.confirm()
                evaluator.forget()  # all at once, so that the last digits do not depend on the batches
            front = _write(problem, evaluator, measuring, settings, folder, score, executor or SerialExecutor())
            for file in ("front.json", "evaluations.parquet"):
                loggers.artefact(folder / file)
        log(f"{len(evaluator.evaluations)} evaluated, {len(front.points)} on the front, {counted(len(front.groups()))}")
    return front


def check_search(problem: Problem, score: object, settings: SearchSettings) -> None:
    """Refuses a search that cannot work, before anything is computed or written.

    Args:
        problem: what is searched; its importance may be still to come.
        score: which evaluates, or its class.
        settings: of the search.
    """
    if all(o.name in problem.costs for o in problem.objectives):
        raise SearchError(
            f"objectives {[o.name for o in problem.objectives]} all come from tables, so there is nothing to evaluate; "
            "add accuracy"
        )
    if settings.stop_early:
        check_early(problem, score, settings.measure and bool(measured_here(problem)))
    (Searcher if settings.searcher == AUTO else SEARCHERS.load(settings.searcher)).check(problem)


def _write(
    problem: Problem,
    evaluator: Evaluator,
    measuring: Measuring,
    settings: SearchSettings,
    folder: Path,
    score: Score,
    executor: Executor,
) -> ParetoFront:
    """The front over all objectives, one for each of several devices, and the table of all evaluations."""
    sittings = {name: measuring.sitting(name, target) for name, target in problem.latencies.items()}
    again = problem.space, score, executor
    front = judged_again(make_front(problem, evaluator, settings, sittings), *again)
    for device in problem.devices if len(problem.devices) > 1 else ():
        own = judged_again(make_device_front(problem, evaluator, settings, device, sittings), *again)
        own.save(device_front_file(folder, device))
    best = {point.arch.id for point in front.points}
    everyone = evaluator.evaluations
    write_evaluations(folder / "evaluations.parquet", everyone, evaluator.reported(evaluator.figures(everyone)), best)
    front.save(folder / "front.json")
    return front


def _beginning(
    problem: Problem, settings: SearchSettings, include: Sequence[Arch], warm: Sequence[Arch]
) -> tuple[Codes, Searcher | None]:
    """The first archs, and what goes on from there; no searcher where the budget is enough for the whole space."""
    space, limits = problem.space, problem.limits
    asked = distinct(space.encode([space.check(arch) for arch in include]))
    if len(asked) > settings.evaluations:
        raise SearchError(
            f"{len(asked)} archs to include, and {settings.evaluations} evaluations to spend; allow at least {len(asked)}"
        )
    known = space.encode([space.check(arch) for arch in warm])
    first = distinct(np.concatenate([asked, known[limits.allow(known)]]))
    everything = _everything(problem, settings.evaluations)
    if everything is not None:
        return distinct(np.concatenate([first, everything])), None
    codes = distinct(np.concatenate([first, _initial(problem, settings)]))
    return codes[: settings.evaluations], make_searcher(problem, settings)


class _Loop:
    """Evaluates batch after batch, and measures what each leaves open."""

    def __init__(
        self, evaluator: Evaluator, measuring: Measuring, settings: SearchSettings, log: Log, loggers: Loggers
    ) -> None:
        self._evaluator = evaluator
        self._measuring = measuring
        self._settings = settings
        self._log = log
        self._loggers = loggers
        self._stopping = Stopping(settings.seconds, settings.patience)

    def run(self, codes: Codes, searcher: Searcher | None) -> None:
        """Evaluates the first archs and then what the searcher asks for, until the budget is spent or enough is found."""
        while len(codes):
            self._batch(codes, searcher)
            left = self._settings.evaluations - len(self._evaluator.evaluations)
            reason = self._stopping.reason or ("the evaluations are spent" if left <= 0 else None)
            if reason:
                self._log(f"stopped: {reason}")
                return
            codes = codes[:0] if searcher is None else searcher.ask(min(self._settings.batch, left))
        self._log("stopped: no arch is left")

    def _batch(self, codes: Codes, searcher: Searcher | None) -> None:
        if searcher is not None:
            searcher.skip(codes)
        # Where time is limited, the clock is looked at after every few archs of many.
        step = self._settings.batch if self._settings.seconds else len(codes)
        found = []
        for start in range(0, len(codes), step):
            good, values = self._evaluator(codes[start : start + step])
            found.append(values)
            if searcher is not None:
                searcher.tell(good, values)
            if self._stopping.out_of_time:
                break
        if self._measuring.decide():
            self._stopping.look(self._evaluator.values(self._evaluator.figures(self._evaluator.good)), anew=True)
        else:
            self._stopping.look(np.concatenate(found))
        asked, failed = len(self._evaluator.evaluations), self._evaluator.failed
        volume = self._stopping.hypervolume
        stopped = f", {self._evaluator.stopped} stopped early" if self._settings.stop_early else ""
        self._log(f"{asked} evaluated, {failed} failed{stopped}, hypervolume {volume:.4f}")
        if self._settings.loggers:
            self._loggers.numbers(asked, {"failed": failed, "hypervolume": volume, "best": self._evaluator.best()})


def device_front_file(folder: Path, device: str) -> Path:
    """Where a search for several devices leaves the front of one of them."""
    return folder / f"front-{device}.json"


def _initial(problem: Problem, settings: SearchSettings) -> Codes:
    """Spread over the first cost that is an objective or limited, or over any; without costs, drawn at random."""
    space = problem.space
    rng = np.random.default_rng([settings.seed, 1])
    n = min(settings.initial, settings.evaluations)
    weighed = (*(o.name for o in problem.objectives), *problem.maxima, *problem.costs)
    quantity = next((name for name in weighed if name in problem.costs), None)
    if quantity is None:
        ends = space.encode([space.smallest(), space.largest()])
        return distinct(np.concatenate([ends, space.genome.sample(n, rng)]))[:n]
    return spread_over_cost(problem, quantity, n, rng)


def _everything(problem: Problem, evaluations: int) -> Codes | None:
    """All archs within the limits, if the budget is enough for them."""
    genome = problem.space.genome
    if genome.size() > ENUMERABLE:
        return None
    codes = genome.enumerate()
    codes = codes[problem.limits.allow(codes)]
    return codes if len(codes) <= evaluations else None
