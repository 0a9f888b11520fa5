"""Evaluator: true evaluations, each made once and recorded, and all figures of what was evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError, suggest
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.sitting import across_sittings
from vitnas.nas.early import ACCURACY, StoppedEarly, least_accuracies
from vitnas.nas.execution.executor import Executor
from vitnas.nas.execution.together import Score, Scored, UnlessBeaten, scored
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.answers import ANSWERS, Answers
from vitnas.nas.pareto.point import Point
from vitnas.nas.problem import Problem
from vitnas.nas.quantity import Quantity, std_of
from vitnas.nas.records import EvaluationBar
from vitnas.nas.study import Evaluation, Study
from vitnas.search_spaces import Arch, Codes
from vitnas.search_spaces.cost_range import evaluate

AT_RISK_S = 0.01
"""So many seconds of evaluations wait at most to be recorded: where one takes longer, each is recorded as it ends."""

Figures = Mapping[str, float]
Floats = NDArray[np.float64]


class Evaluator:
    """Evaluates archs that the study does not know yet, and keeps count of all that were asked for.

    Attributes:
        evaluations: one for each arch that was asked for, in that order.
        failed: how many of them failed.
        stopped: how many were stopped, as other archs beat them whatever else is found.
        timings: latency quantity -> archs measured end to end; they replace what costs say.
    """

    def __init__(
        self,
        problem: Problem,
        score: Score,
        study: Study,
        executor: Executor,
        bar: EvaluationBar,
        stop_early: bool = False,
        never_stopped: Sequence[Arch] = (),
    ) -> None:
        """Has evaluated nothing yet.

        Args:
            problem: what the scores and costs must give; what costs say may change while the search runs.
            score: evaluates one arch for real.
            study: remembers evaluations.
            executor: where `score` runs.
            bar: advances with every evaluation.
            stop_early: stops archs that others beat whatever the images left say; see `check_early`.
            never_stopped: archs that are evaluated to the end nevertheless.
        """
        self._problem = problem
        self._space = problem.space
        self._score = score
        self._costs = problem.costs
        self._objectives = problem.objectives
        self._study = study
        self._executor = executor
        self._bar = bar
        self._between = {name: target.between for name, target in problem.latencies.items()}
        self.evaluations: list[Evaluation] = []
        self.failed = 0
        self.stopped = 0
        self._unless_beaten = UnlessBeaten(score) if stop_early else None
        self._never_stopped = {arch.id for arch in never_stopped}
        self._codes: dict[str, NDArray[np.int16]] = {}
        self._good: dict[str, Evaluation] = {}
        self._figures: dict[str, Figures] = {}
        self.timings: dict[str, dict[Arch, Timing]] = {}

    def __call__(self, codes: Codes) -> tuple[Codes, Floats]:
        """Those of these archs whose evaluation succeeded, and their objectives to minimise, in the given order."""
        archs = self._space.decode(codes)
        self._study.refresh()
        tables = self._tables(codes)
        least = self._least(archs, tables)
        todo = [i for i, arch in enumerate(archs) if not self._is_known(arch, least[i])]
        self._bar.advance(len(archs) - len(todo))
        self._evaluate([archs[i] for i in todo], [tables[i] for i in todo], [least[i] for i in todo])
        found = [self._study.find(arch) for arch in archs]
        latest = [e for e in found if e is not None]
        assert len(latest) == len(archs)
        good = [i for i, e in enumerate(latest) if e.is_whole]
        self._codes.update((arch.id, row) for arch, row in zip(archs, codes, strict=True))
        self._good.update((latest[i].arch.id, latest[i]) for i in good)
        self.evaluations.extend(latest)
        self.failed += sum(e.error is not None for e in latest)
        self.stopped += sum(e.stopped is not None for e in latest)
        return codes[good], self.values(self.figures([latest[i] for i in good]))

    def _is_known(self, arch: Arch, least: float) -> bool:
        """Whether there is nothing to evaluate: a stop counts where this search would have stopped as well."""
        found = self._study.find(arch)
        return found is not None and (found.stopped is None or found.stopped.accuracy_at_most < least)

    def _least(self, archs: Sequence[Arch], tables: Sequence[Figures]) -> list[float]:
        """The accuracy that each arch must reach to matter, by what was known before the batch: the same for any number of workers."""
        if self._unless_beaten is None:
            return [0.0] * len(archs)
        costs = [o.name for o in self._objectives if o.name in self._costs]
        maxima = self._problem.maxima.items()
        known = [one for one in self.figures(self.good) if all(one[name] <= most for name, most in maxima)]
        found = least_accuracies(
            np.array([one[ACCURACY] for one in known]),
            np.array([[one[name] for name in costs] for one in known]).reshape(len(known), len(costs)),
            np.array([[one[name] for name in costs] for one in tables]).reshape(len(tables), len(costs)),
        )
        return [0.0 if arch.id in self._never_stopped else float(one) for arch, one in zip(archs, found, strict=True)]

    def _evaluate(self, archs: Sequence[Arch], tables: Sequence[Mapping[str, float]], least: Sequence[float]) -> None:
        """Scores archs and records them as they end, so that a kill loses what was in work and hardly more."""
        ended: list[Evaluation] = []
        at_risk_s = 0.0
        try:
            for position, outcome in self._scored(archs, least):
                arch, stopped = archs[position], StoppedEarly.read(outcome.value or {})
                if stopped is not None:
                    ended.append(Evaluation(arch, {}, outcome.seconds, stopped=stopped))
                else:
                    metrics, error = self._check(outcome.value, outcome.error)
                    kept = {**metrics, **tables[position]} if error is None else {}
                    answers = _answers(outcome.value) if error is None else ""
                    ended.append(Evaluation(arch, kept, outcome.seconds, error, answers))
                at_risk_s += outcome.seconds
                if at_risk_s >= AT_RISK_S:
                    self._record(ended)
                    ended, at_risk_s = [], 0.0
        finally:
            self._record(ended)

    def _scored(self, archs: Sequence[Arch], least: Sequence[float]) -> Scored:
        if self._unless_beaten is None:
            return scored(self._executor, self._score, archs)
        return scored(self._executor, self._unless_beaten, list(zip(archs, least, strict=True)))

    def _record(self, ended: Sequence[Evaluation]) -> None:
        if ended:
            self._study.record(*ended)
            self._bar.advance(len(ended))

    @property
    def good(self) -> list[Evaluation]:
        """The evaluations that succeeded, an arch at most once."""
        return list(self._good.values())

    def figures(self, evaluations: Sequence[Evaluation]) -> list[Figures]:
        """All that is known of evaluated archs by now: scores, what costs say, and measurements in their place."""
        new = [e for e in evaluations if e.is_whole and e.arch.id not in self._figures]
        if new:
            tables = self._tables(np.stack([self._codes[e.arch.id] for e in new]))
            self._figures.update(
                (e.arch.id, {**e.metrics, **table, **self._timed(e.arch)}) for e, table in zip(new, tables, strict=True)
            )
        return [self._figures[e.arch.id] if e.is_whole else {} for e in evaluations]

    def forget(self) -> None:
        """Works figures out anew when they are next asked for: measurements, or what costs say, have changed."""
        self._figures.clear()

    def reported(self, figures: Sequence[Figures]) -> list[Figures]:
        """The same with standard deviations of latencies that hold on another day as well.

        Measuring compares archs timed in one sitting, so it goes by those of `figures`.
        """
        return [self._on_any_day(one) for one in figures]

    def _on_any_day(self, figures: Figures) -> Figures:
        known = {name: between for name, between in self._between.items() if std_of(name) in figures}
        wider = {std_of(n): across_sittings(figures[n], figures[std_of(n)], between) for n, between in known.items()}
        return {**figures, **wider}

    def values(self, figures: Sequence[Figures]) -> Floats:
        """``(n, objectives)``, all to minimise."""
        rows = [[o.sign * one[o.name] for o in self._objectives] for one in figures]
        return np.array(rows, dtype=np.float64).reshape(len(figures), len(self._objectives))

    def best(self) -> Figures:
        """The best value so far of each objective."""
        if not self._good:
            return {}
        least = self.values(self.figures(self.good)).min(axis=0)
        return {o.name: o.sign * float(value) for o, value in zip(self._objectives, least, strict=True)}

    def points(self, problem: Problem | None = None) -> list[Point]:
        """Every arch evaluated well that keeps the limits, with its objectives: those of a part of the problem, or of all."""
        asked = problem or self._problem
        good = self.good
        if not good:
            reasons = [e.error for e in self.evaluations if e.error]
            raise SearchError(f"all {len(self.evaluations)} evaluations failed, the first with: {reasons[0]}")
        figures = self.figures(good)
        kept = [
            (e, one)
            for e, one in zip(good, figures, strict=True)
            if all(one[quantity] <= most for quantity, most in asked.maxima.items())
        ]
        if not kept:
            name, most = next(iter(asked.maxima.items()))
            least = min(one[name] for one in figures)
            raise SearchError(
                f"none of the {len(good)} archs evaluated keeps the limits once measured: the least {name} is "
                f"{least:.6g}, the limit {most:g}; allow more, or profile the device again"
            )
        return [self._point(e, self._on_any_day(one), asked.objectives) for e, one in kept]

    def _point(self, evaluation: Evaluation, figures: Figures, objectives: Sequence[Objective]) -> Point:
        names = [o.name for o in objectives]
        timed = self._timed(evaluation.arch)
        return Point(
            evaluation.arch,
            {name: figures[name] for name in names},
            {
                name: "measured"
                if name in timed
                else self._problem.provenance.get(name, "table" if name in self._costs else "measured")
                for name in names
            },
            {name: figures[std_of(name)] for name in names if std_of(name) in figures},
            evaluation.answers,
        )

    def _tables(self, codes: Codes) -> list[dict[str, float]]:
        columns = {name: evaluate(name, cost, codes) for name, cost in self._costs.items()}
        return [{name: float(column[i]) for name, column in columns.items()} for i in range(len(codes))]

    def _timed(self, arch: Arch) -> dict[str, float]:
        found = {}
        for name, timings in self.timings.items():
            timing = timings.get(arch)
            if timing is not None:
                found[name] = timing.median_ms
                found[std_of(name)] = timing.std_ms
        return found

    def _check(
        self, metrics: Mapping[str, float | str] | None, error: str | None
    ) -> tuple[dict[str, float], str | None]:
        """Refuses results that miss an objective or are no numbers."""
        if error is not None or metrics is None:
            return {}, error or "the evaluation returned nothing"
        missing = [o.name for o in self._objectives if o.name not in self._costs and o.name not in metrics]
        if missing:
            known = [name for name in (*self._costs, *metrics) if not Quantity.parse(name).is_std]
            raise SearchError(f"objective '{missing[0]}' is neither a cost nor a score; {suggest(missing[0], known)}")
        values = {name: float(value) for name, value in metrics.items() if name != ANSWERS}
        stds = {std_of(name) for name in values}
        odd = [name for name, value in values.items() if not math.isfinite(value) or (value < 0 and name in stds)]
        return values, f"{odd[0]} is {values[odd[0]]}" if odd else None


def _answers(metrics: Mapping[str, float | str] | None) -> str:
    """What a score tells of single images, refused at once if it cannot be read."""
    text = str((metrics or {}).get(ANSWERS, ""))
    return str(Answers.read(text)) if text else ""
