"""The search: spend a budget of true evaluations where a predictor and the tables of costs say it pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vitnas.errors import SearchError
from vitnas.files import only_here, refuse_other
from vitnas.nas.evaluator import Evaluator, Score
from vitnas.nas.execution.executor import Executor, SerialExecutor
from vitnas.nas.fronts import make_device_front, make_front
from vitnas.nas.limits import Limits
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto import ParetoFront, Provenance
from vitnas.nas.picks import counted
from vitnas.nas.quantity import LATENCY, Quantity
from vitnas.nas.records import EvaluationBar, Log, write_evaluations
from vitnas.nas.searchers import Searcher
from vitnas.nas.searchers.choose import make_searcher
from vitnas.nas.selection import spread_over_cost
from vitnas.nas.settings import SearchSettings
from vitnas.nas.stopping import Stopping
from vitnas.nas.study import Study, database
from vitnas.nas.targets.measuring import Measuring
from vitnas.nas.targets.target import Target
from vitnas.search_spaces import Arch, Codes, SearchSpace
from vitnas.search_spaces.cost_range import ENUMERABLE, CostOf


def search(
    space: SearchSpace,
    score: Score,
    costs: Mapping[str, CostOf],
    settings: SearchSettings,
    folder: Path,
    executor: Executor | None = None,
    progress: bool = True,
    origin: Mapping[str, str] | None = None,
    *,
    targets: Sequence[Target] = (),
    provenance: Mapping[str, Provenance] | None = None,
    include: Sequence[Arch] = (),
    warm: Sequence[Arch] = (),
    importance: CostOf | None = None,
    shared: Mapping[str, float] | None = None,
) -> ParetoFront:
    """Finds the archs of a space that no other evaluated one beats, and writes them to a folder.

    Killed at any moment, the same call goes on where it stopped and ends with the same front.

    Args:
        space: where archs come from.
        score: evaluates one arch for real; gives every objective that `costs` does not, and perhaps more. Of it and
            of `costs`, ``NAME_std`` is the standard deviation of NAME. Its `ANSWERS`, if any, let accuracies be compared
            image by image.
        costs: quantity -> its value for a whole population, from tables and counts.
        settings: objectives, limits, budget, seed.
        folder: gets study.db, front.json, evaluations.parquet and search.log, and front-DEVICE.json of several devices.
        executor: where `score` runs; in this process by default.
        progress: shows a bar on stderr.
        origin: what the figures come from, such as ``{"device": "cpu", "supernet": "step-00001000"}``; named in
            messages and kept in the front. A search is not continued with figures of other origin.
        targets: the devices that the search is for; those that are here are measured on, unless settings forbid it.
        provenance: where the figures of quantities come from, where they are not measured end to end.
        include: evaluated first and whatever they cost, such as published baselines.
        warm: evaluated next if they keep the limits, such as the front of an earlier search.
        importance: of the weights that archs keep, for searchers that go by it.
        shared: quantity -> the part of its standard deviation, relative to the figure, that all archs share and that
            so does not blur which of two is more; of latencies by default what a sitting's reference has in it.
    """
    origin = dict(origin or {})
    objectives = tuple(Objective.named(name) for name in settings.objectives)
    limits = Limits(space, costs, settings.limits, origin.get("device"), settings.seed)
    if all(o.name in costs for o in objectives):
        raise SearchError(
            f"objectives {[o.name for o in objectives]} all come from tables, so there is nothing to evaluate; add accuracy"
        )
    asked = _distinct(space.encode([space.check(arch) for arch in include]))
    if len(asked) > settings.evaluations:
        raise SearchError(
            f"{len(asked)} archs to include, and {settings.evaluations} evaluations to spend; allow at least {len(asked)}"
        )
    known = space.encode([space.check(arch) for arch in warm])
    first = _distinct(np.concatenate([asked, known[limits.allow(known)]]))
    everything = _everything(space, limits, settings.evaluations)
    others = _initial(space, limits, costs, settings) if everything is None else everything
    codes = _distinct(np.concatenate([first, others]))
    budget = settings.evaluations if everything is None else len(codes)
    searcher = make_searcher(space, limits, costs, settings, importance) if everything is None else None
    devices = [target.name for target in targets]
    latencies = {str(Quantity(LATENCY).on(target.name, devices)): target for target in targets}
    clocks = latencies if settings.measure else {}
    between = {name: target.between for name, target in latencies.items()}
    common = {name: target.shared for name, target in latencies.items() if target.shared} | dict(shared or {})
    for path, mark in ((folder / "front.json", b"vitnas-front"), (folder / "evaluations.parquet", b"arch_id")):
        refuse_other(path, mark, "result of a search")
    with only_here(folder, "search"):
        log = Log(folder / "search.log")
        storage, name = settings.storage or database(folder), settings.study or folder.resolve().name
        study = Study(space, objectives, storage, name, origin, shared=bool(settings.storage))
        log(f"{space.name}: {dict(origin)}, {settings.deciding()}, {len(study)} evaluations known")
        with EvaluationBar(progress, budget) as bar:
            evaluator = Evaluator(
                space, score, costs, objectives, study, executor or SerialExecutor(), bar, provenance or {}, between
            )
            measuring = Measuring(evaluator, study, clocks, objectives, settings.limits, bar)
            _Loop(evaluator, measuring, settings, log).run(codes[:budget], searcher)
            measuring.confirm()
            evaluator.forget()  # all at once, so that the last digits do not depend on the batches
        sittings = {name: measuring.sitting(name, target) for name, target in latencies.items()}
        front = make_front(space, evaluator, settings, origin, sittings, common)
        for device in devices if len(devices) > 1 else ():
            own = make_device_front(space, evaluator, settings, origin, device, sittings, common)
            own.save(device_front_file(folder, device))
        best = {point.arch.id for point in front.points}
        everyone = evaluator.evaluations
        write_evaluations(
            folder / "evaluations.parquet", everyone, evaluator.reported(evaluator.figures(everyone)), best
        )
        front.save(folder / "front.json")
        log(f"{len(evaluator.evaluations)} evaluated, {len(front.points)} on the front, {counted(len(front.groups()))}")
    return front


class _Loop:
    """Evaluates batch after batch, and measures what each leaves open."""

    def __init__(self, evaluator: Evaluator, measuring: Measuring, settings: SearchSettings, log: Log) -> None:
        self._evaluator = evaluator
        self._measuring = measuring
        self._settings = settings
        self._log = log
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
        self._log(f"{asked} evaluated, {failed} failed, hypervolume {self._stopping.hypervolume:.4f}")


def device_front_file(folder: Path, device: str) -> Path:
    """Where a search for several devices leaves the front of one of them."""
    return folder / f"front-{device}.json"


def _distinct(codes: Codes) -> Codes:
    """Each row once, in the order of first appearance."""
    return codes[np.sort(np.unique(codes, axis=0, return_index=True)[1])]


def _initial(space: SearchSpace, limits: Limits, costs: Mapping[str, CostOf], settings: SearchSettings) -> Codes:
    """Spread over the first cost that is an objective or limited, or over any; without costs, drawn at random."""
    rng = np.random.default_rng([settings.seed, 1])
    n = min(settings.initial, settings.evaluations)
    quantity = next((name for name in (*settings.objectives, *settings.limits, *costs) if name in costs), None)
    if quantity is None:
        ends = space.encode([space.smallest(), space.largest()])
        return _distinct(np.concatenate([ends, space.genome.sample(n, rng)]))[:n]
    return spread_over_cost(space, limits, quantity, costs[quantity], n, rng)


def _everything(space: SearchSpace, limits: Limits, evaluations: int) -> Codes | None:
    """All archs within the limits, if the budget is enough for them."""
    if space.genome.size() > ENUMERABLE:
        return None
    codes = space.genome.enumerate()
    codes = codes[limits.allow(codes)]
    return codes if len(codes) <= evaluations else None
