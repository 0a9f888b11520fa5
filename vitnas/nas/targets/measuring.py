"""Hardware in the loop: archs whose latency is uncertain and matters are measured, and the tables learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.sitting import across_sittings, disagree
from vitnas.nas.evaluator import Evaluator, Figures
from vitnas.nas.objectives import non_dominated
from vitnas.nas.problem import Problem
from vitnas.nas.quantity import std_of
from vitnas.nas.records import EVALUATED, EvaluationBar
from vitnas.nas.study import Study
from vitnas.nas.targets.target import Target
from vitnas.nas.targets.uncertainty import Floats, undecided
from vitnas.search_spaces import Arch

WORTH_A_START = 6
"""Measuring begins with a fresh process that loads a runtime, whether for one arch or for many."""


def measured_here(problem: Problem) -> dict[str, Target]:
    """The latencies that decide a search and may change while it runs, as their devices are here."""
    deciding = {*(o.name for o in problem.objectives), *problem.maxima}
    return {n: t for n, t in problem.latencies.items() if t.device is not None and n in deciding}


class Measuring:
    """Measures what decides the front and is not sure; what is sure is left alone."""

    def __init__(
        self, problem: Problem, evaluator: Evaluator, study: Study, bar: EvaluationBar, measure: bool = True
    ) -> None:
        """Goes on with what the study knows.

        Args:
            problem: of the search; those of its targets that are here are measured on.
            evaluator: of the search.
            study: keeps measurements.
            bar: says what goes on.
            measure: whether to measure at all.
        """
        self._evaluator = evaluator
        self._study = study
        self._targets = measured_here(problem) if measure else {}
        self._objectives = problem.objectives
        self._limits = problem.maxima
        self._bar = bar
        self._paces: dict[str, dict[Arch, float]] = {}

    def decide(self) -> bool:
        """Measures archs that may or may not be on the front, once there are enough of them to start a device for.

        Whether it measured any, so that figures of earlier archs may have changed too.
        """
        measured = False
        for name, target in self._targets.items():
            archs = self._undecided(name)
            if len(archs) >= WORTH_A_START:
                self._measure(name, target, archs)
                measured = True
        return measured

    def confirm(self) -> None:
        """Measures until the front is sure, and every arch on it measured on every device that is here."""
        while self._targets:
            front = self._front()
            left = {
                name: list(dict.fromkeys([*self._undecided(name), *(a for a in front if a not in self._timed(name))]))
                for name in self._targets
            }
            if not any(left.values()):
                return
            for name, archs in left.items():
                self._measure(name, self._targets[name], archs)

    def _undecided(self, name: str) -> list[Arch]:
        good = self._evaluator.good
        figures = self._evaluator.figures(good)
        limited, limited_std = self._columns(figures, list(self._limits), name)
        _, stds = self._columns(figures, [o.name for o in self._objectives], name)
        maxima = np.array(list(self._limits.values()), dtype=np.float64)
        open_ = undecided(self._evaluator.values(figures), stds, limited, limited_std, maxima)
        return [e.arch for e, is_open in zip(good, open_, strict=True) if is_open and e.arch not in self._timed(name)]

    def _columns(self, figures: Sequence[Figures], names: Sequence[str], doubted: str) -> tuple[Floats, Floats]:
        """Figures of some quantities, and how uncertain they are; only of `doubted` a measurement would tell more."""
        shape = len(figures), len(names)
        values = np.array([[one[n] for n in names] for one in figures], dtype=np.float64).reshape(shape)
        stds = [[one.get(std_of(n), 0.0) if n == doubted else 0.0 for n in names] for one in figures]
        return values, np.array(stds, dtype=np.float64).reshape(shape)

    def _front(self) -> list[Arch]:
        points = self._evaluator.points()
        values = np.array([[o.sign * p.objectives[o.name] for o in self._objectives] for p in points])
        return [point.arch for point, best in zip(points, non_dominated(values), strict=True) if best]

    def _timed(self, name: str) -> dict[Arch, Timing]:
        return self._evaluator.timings.setdefault(name, {})

    def _measure(self, name: str, target: Target, archs: Sequence[Arch]) -> None:
        """Times archs, or recalls what the study knows of them: a search that goes on repeats nothing."""
        if not archs:
            return
        known = self._study.timings(target.name)
        new = [arch for arch in archs if arch not in known]
        if new:
            self._bar.say(f"measuring {len(new)} on {target.name}")
            for arch, timing in zip(new, target.time(new), strict=True):
                self._study.record_timing(target.name, arch, timing)
            self._bar.say(EVALUATED)
        known = self._study.timings(target.name)
        self._timed(name).update((arch, target.at_table_speed(known[arch])) for arch in archs)
        if target.sitting is not None:
            paces = {arch: target.sitting.pace(known[arch]) for arch in archs}
            self._paces.setdefault(name, {}).update({arch: pace for arch, pace in paces.items() if pace is not None})
        target.learn(self._timed(name))
        self._evaluator.forget()

    def sitting(self, name: str, target: Target) -> dict[str, Any]:
        """What the latencies of a device rest on, for the front.

        Keys: between (relative standard deviation between sittings, which the errors of points hold), measured (archs),
        pace (least and most that the reference took while they were measured, over what it took when the table was) and
        astray (those that table and measurement tell differently by more than their errors allow).
        """
        timed = self._timed(name)
        found: dict[str, Any] = {"between": target.between, "measured": len(timed)}
        if paces := list(self._paces.get(name, {}).values()):
            found["pace"] = [min(paces), max(paces)]
        if timed:
            said_ms, std_ms = target.told_by_table(list(timed))
            found["astray"] = sum(
                disagree(
                    ms,
                    across_sittings(ms, std, target.between),
                    timing.median_ms,
                    across_sittings(timing.median_ms, timing.std_ms, target.between),
                )
                for ms, std, timing in zip(said_ms.tolist(), std_ms.tolist(), timed.values(), strict=True)
            )
        return found
