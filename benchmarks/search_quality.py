"""How many true evaluations do searchers need, and how fast and how good is a search over predictions?

Evaluations until the front has 99 % of the hypervolume of the true front, in a cut-down AutoFormer space whose accuracy
is a Gaussian process fitted on a real supernet (`problems/supernet_oracle.py`), against multiply-accumulates; beside the searchers
of vitnas plain NSGA-II of pymoo and of Optuna. Then the search problem of Once-for-All (`problems/once_for_all.py`): the best
predicted top-1 within 25 ms among 50,000 candidates, 100 a generation, on one thread.

Keys: evaluations_to_99.SEARCHER (mean over seeds; a search that ended before counts with its last evaluation),
reached_99.SEARCHER (share of the seeds), share_at.N.SEARCHER (of the true hypervolume, after N evaluations, mean over
seeds), ofa_top1 (percent, mean over seeds), ofa_top1_worst, ofa_latency_ms,
ofa_seconds and candidates_per_s (of processor time, the default searcher), ofa_top1.SEARCHER and
candidates_per_s.SEARCHER.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import frame
import numpy as np
from numpy.typing import NDArray
from problems import once_for_all as ofa
from problems.supernet_oracle import Oracle, cut_down_space, importance

from vitnas.nas.objectives import non_dominated, objectives_named
from vitnas.nas.pareto.hypervolume import hypervolume, reference_point
from vitnas.nas.problem import Problem
from vitnas.nas.searchers import SEARCHERS
from vitnas.nas.searchers.choose import default
from vitnas.reporting.plots.figure import FAINT, PALETTE, save_figure, style
from vitnas.search_spaces import Codes
from vitnas.supernets.counting.population import PopulationCounter

Values = NDArray[np.float64]
Evaluate = Callable[[Codes], Values]

GOAL = 0.99
SEEDS = 20
MOST = {"gp": 80, "growth": 40, "linas": 1000, "tpe": 300}
"""Searchers whose own work takes long get fewer evaluations."""
FEWER_SEEDS = {"gp": 5, "growth": 2}
EVERY = tuple(name for name in SEARCHERS if name != "exhaustive")
SLOW = ("gp", "growth")
"""Not tried in a hurry."""
BATCH, POPULATION = 20, 50
SHARES_AT = (20, 40, 80, 150, 300, 600, 1000, 2000, 4000)
PLOT = Path(__file__).parents[1] / "docs" / "images" / "search-quality.png"
CANDIDATES, GENERATION, MOST_MS = 50_000, 100, 25.0


@dataclass(frozen=True)
class Truth:
    """A space with the values of all its archs, to minimise: less accuracy, and multiply-accumulates."""

    problem: Problem
    evaluate: Evaluate
    reference: Values
    volume: float

    def enough(self, values: Values) -> int | None:
        """How many of these evaluations, in their order, reach the goal."""

        def reached(n: int) -> bool:
            return hypervolume(values[:n], self.reference) >= GOAL * self.volume

        if not reached(len(values)):
            return None
        low, high = 0, len(values)  # the volume never shrinks
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(middle) else (middle, high)
        return high

    def shares(self, values: Values, most: int) -> list[float]:
        """Of the true hypervolume after some of `SHARES_AT` evaluations, as far as `most`; one that stops stays where it is."""
        return [hypervolume(values[:n], self.reference) / self.volume for n in SHARES_AT if n <= most]


def truth(quick: bool) -> Truth:
    space = cut_down_space().restrict(depth=(3, 4)) if quick else cut_down_space()
    whole = cut_down_space()
    counter, oracle, kept = PopulationCounter(space), Oracle(whole), importance()

    def macs(codes: Codes) -> Values:
        return np.asarray(counter(codes).macs, dtype=np.float64)

    def full(codes: Codes) -> Codes:
        return whole.encode(space.decode(codes)) if quick else codes

    def evaluate(codes: Codes) -> Values:
        return np.stack([-oracle(full(codes)), macs(codes) / 1e6], axis=1)

    codes = space.genome.enumerate()
    values = np.concatenate([evaluate(codes[start : start + 50_000]) for start in range(0, len(codes), 50_000)])
    front = values[non_dominated(values)]
    reference = reference_point(values)
    costs = {"macs": lambda c: macs(c) / 1e6}
    objectives = objectives_named(("accuracy", "macs"))
    problem = Problem(space, objectives, costs, importance=lambda codes: kept(full(codes)))
    print(
        f"{len(codes):,} archs, {len(front)} on the front, accuracy {-values[:, 0].max():.3f} to {-values[:, 0].min():.3f}"
    )
    return Truth(problem, evaluate, reference, hypervolume(front, reference))


def ours(name: str) -> Callable[[Truth, int, int], Values]:
    def run(truth: Truth, seed: int, most: int) -> Values:
        searcher = SEARCHERS.load(name)(truth.problem, seed, POPULATION)
        found = [np.empty((0, 2))]
        while sum(map(len, found)) < most and len(codes := searcher.ask(BATCH)):
            found.append(truth.evaluate(codes))
            searcher.tell(codes, found[-1])
            if len(found) % 5 == 0 and truth.enough(np.concatenate(found)):
                break
        return np.concatenate(found)

    return run


def plain_pymoo(truth: Truth, seed: int, most: int) -> Values:
    """NSGA-II over one whole number a column; what a depth switches off is settled only for the evaluation."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem as Whole
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    space, found = truth.problem.space, []
    upper = np.array([len(column.choices) - 1 for column in space.columns])

    class Plain(Whole):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=len(upper), n_obj=2, xl=np.zeros_like(upper), xu=upper, vtype=int)

        def _evaluate(self, x: NDArray[np.int64], out: dict[str, Values], *_: object, **__: object) -> None:
            out["F"] = truth.evaluate(space.genome.repair(x.astype(np.int16)))
            found.append(out["F"])

    algorithm = NSGA2(
        pop_size=POPULATION,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
        mutation=PM(eta=20, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    minimize(Plain(), algorithm, ("n_eval", most), seed=seed)
    return np.concatenate(found)[:most]


def plain_optuna(truth: Truth, seed: int, most: int) -> Values:
    """Optuna's NSGA-II with the same population, one whole number a column."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space, found = truth.problem.space, []

    def objective(trial: optuna.Trial) -> list[float]:
        row = [trial.suggest_int(column.name, 0, len(column.choices) - 1) for column in space.columns]
        found.append(truth.evaluate(space.genome.repair(np.array([row], dtype=np.int16)))[0])
        return [float(value) for value in found[-1]]

    study = optuna.create_study(
        sampler=optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed), directions=["minimize"] * 2
    )
    while len(found) < most and not (found and truth.enough(np.stack(found))):
        study.optimize(objective, min(100, most - len(found)))
    return np.stack(found)


def evaluations(quick: bool) -> Iterator[tuple[str, float]]:
    real = truth(quick)
    runs = {name: ours(name) for name in EVERY if not (quick and name in SLOW)}
    runs |= {"plain_pymoo": plain_pymoo, "plain_optuna": plain_optuna}
    rows, curves = [], {}
    for name, run in runs.items():
        most = min(MOST.get(name, 4000), 300 if quick else 4000)
        seeds = 2 if quick else FEWER_SEEDS.get(name, SEEDS)
        start = time.process_time()
        found = [run(real, seed, most) for seed in range(seeds)]
        spent = [(real.enough(values), len(values)) for values in found]
        curves[name] = np.mean([real.shares(values, most) for values in found], axis=0).tolist()
        needed = [enough or total for enough, total in spent]
        reached = np.mean([enough is not None for enough, _ in spent])
        yield f"evaluations_to_99.{name}", float(np.mean(needed))
        yield f"reached_99.{name}", float(reached)
        yield from ((f"share_at.{n}.{name}", share) for n, share in zip(SHARES_AT, curves[name], strict=False))
        seconds = (time.process_time() - start) / sum(total for _, total in spent)
        rows.append(
            (name, f"{np.mean(needed):.0f}", min(needed), max(needed), f"{reached:.0%}", f"{seconds * 1e3:.1f}")
        )
        print(rows[-1], flush=True)
    frame.show(
        "evaluations until 99 % of the true hypervolume",
        ("searcher", "mean", "fewest", "most", "reached", "ms each"),
        rows,
    )
    if not quick:
        draw(curves)


def draw(curves: Mapping[str, Sequence[float]]) -> None:
    """What is missing to the true hypervolume against evaluations, who has most of it after 300 first."""
    from matplotlib.figure import Figure

    early = SHARES_AT.index(300) + 1
    order = sorted(curves, key=lambda name: -curves[name][:early][-1])
    with style():
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.add_subplot()
        for i, name in enumerate(order):
            missing = [100 * (1 - share) for share in curves[name]]
            (line,) = axes.plot(SHARES_AT[: len(missing)], missing, label=name, marker=".")
            line.set(color=PALETTE[i % len(PALETTE)], linestyle=("-", "--", ":")[i // len(PALETTE)])
        axes.axhline(100 * (1 - GOAL), color=FAINT, linewidth=1)
        axes.set(xscale="log", yscale="log", xlabel="true evaluations", ylabel="missing to the true hypervolume (%)")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        save_figure(figure, PLOT)


def once_for_all(quick: bool) -> Iterator[tuple[str, float]]:
    latency, accuracy = ofa.Latency(), ofa.Accuracy()
    standard = default(ofa.SPACE, 1, predicts=True)
    rows = []
    for name in dict.fromkeys((standard, "evolution", "nsga2", "local", "random")):
        seeds = 1 if quick else SEEDS
        found = [_best(name, seed, latency, accuracy, quick) for seed in range(seeds)]
        top1, ms, seconds, rate = np.array(found).T
        if name == standard:
            yield "ofa_top1", top1.mean()
            yield "ofa_top1_worst", top1.min()
            yield "ofa_latency_ms", ms.max()
            yield "ofa_seconds", float(np.median(seconds))
            yield "candidates_per_s", float(np.median(rate))
        yield f"ofa_top1.{name}", top1.mean()
        yield f"candidates_per_s.{name}", float(np.median(rate))
        rows.append(
            (
                name,
                *(f"{v:.2f}" for v in (top1.mean(), top1.min(), ms.max(), np.median(seconds))),
                f"{np.median(rate):,.0f}",
            )
        )
    frame.show(
        f"Once-for-All within {MOST_MS:g} ms, {CANDIDATES:,} candidates",
        ("searcher", "top-1 %", "worst seed", "ms", "processor s", "candidates/s"),
        rows,
    )


def _best(
    name: str, seed: int, latency: Evaluate, accuracy: Evaluate, quick: bool
) -> tuple[float, float, float, float]:
    """Percent, milliseconds, seconds with finding out what the limit allows, candidates a second."""
    start = time.process_time()
    problem = Problem(ofa.SPACE, (), {"latency_ms": latency}, {"latency_ms": MOST_MS})
    searcher = SEARCHERS.load(name)(problem, seed, GENERATION)
    best, row, done = -np.inf, problem.limits.cheapest, 0
    while done < (CANDIDATES // 10 if quick else CANDIDATES):
        codes = searcher.ask(GENERATION)
        values = accuracy(codes)
        if values.max() > best:
            best, row = float(values.max()), codes[[values.argmax()]]
        searcher.tell(codes, -values[:, None])
        done += len(codes)
    seconds = time.process_time() - start
    return 100 * best, float(latency(row)[0]), seconds, done / seconds


def measure(quick: bool) -> frame.Results:
    if not ofa.FOLDER.is_dir():
        raise SystemExit(f"needs the files of '{ofa.FOLDER.resolve()}'")
    return dict([*once_for_all(quick), *evaluations(quick)])


if __name__ == "__main__":
    frame.run(__doc__, measure)
