"""The figures of supernet_quality: what a supernet costs against stand-alone networks, and whether both rank alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau
from supernet_methods import BATCH, DEFAULT

from vitnas.search_spaces import Arch

if TYPE_CHECKING:
    from supernet_quality import Study

Floats = NDArray[np.float64]
Run = Mapping[str, Any]
"""What a training came to."""
BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Curves:
    """Accuracies of networks trained alone, by length.

    Attributes:
        passes: images that each was trained on, ascending.
        accuracy: ``(archs, lengths)``, percent, means over seeds; not a number where an arch was not trained so long.
    """

    passes: Floats
    accuracy: Floats

    def equal_passes(self, accuracy: Sequence[float]) -> Floats:
        """For each arch the passes at which it is as good alone; lines in the logarithm, beyond the ends as well."""
        found = []
        for theirs, one in zip(self.accuracy, accuracy, strict=True):
            there = np.isfinite(theirs)
            found.append(math.exp(_line(theirs[there], np.log(self.passes[there]), one)))
        return np.array(found)

    def reach(self, passes: float) -> NDArray[np.bool_]:
        """Which archs were trained alone for as many passes or more."""
        return np.asarray(np.isfinite(self.accuracy[:, self.passes >= 0.99 * passes]).any(axis=1))

    def cost_ratio(self, passes: float, accuracy: Sequence[float]) -> float:
        """Passes of a supernet over those at which one network alone is as good, the geometric mean over archs that reach so far."""
        ratios = passes / self.equal_passes(accuracy)
        return float(np.exp(np.mean(np.log(ratios[self.reach(passes)]))))


def _line(x: Floats, y: Floats, at: float) -> float:
    """Piecewise linear through rising points; the first and the last piece go on beyond them."""
    i = int(np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2))
    return float(y[i] + (at - x[i]) * (y[i + 1] - y[i]) / (x[i + 1] - x[i]))


def at_cost(runs: Mapping[float, float], cost: float) -> float:
    """The accuracy at a cost, by lines in the logarithm of the cost; not a number beyond the costs that were measured."""
    costs = np.array(sorted(runs))
    if not 0.98 * costs[0] <= cost <= 1.02 * costs[-1]:
        return math.nan
    return _line(np.log(costs), np.array([runs[c] for c in costs]), float(np.log(cost)))


def thirds(values: Sequence[float]) -> dict[str, float]:
    """Means of a third each, of archs in the order of their multiply-accumulates."""
    parts = np.array_split(np.asarray(values, dtype=np.float64), 3)
    return {name: float(part.mean()) for name, part in zip(("small", "mid", "large"), parts, strict=True)}


def tau(left: Sequence[float], right: Sequence[float]) -> float:
    """Kendall's tau-b."""
    return float(kendalltau(left, right).statistic)


@dataclass(frozen=True)
class Ranks:
    """What networks of one set score alone and on supernets.

    Attributes:
        alone: ``(seeds, archs)``, percent.
        macs: of each arch.
    """

    alone: Floats
    macs: Sequence[float]

    @property
    def ceiling(self) -> float:
        """Between two disjoint sets of seeds, of which there must be two: what a perfect judge reaches whose noise is that of a training alone."""
        half = len(self.alone) // 2
        return tau(self.alone[:half].mean(axis=0), self.alone[half:].mean(axis=0))

    @property
    def by_macs(self) -> float:
        return tau(self.macs, self.alone.mean(axis=0))

    def judged(self, scores: Sequence[Sequence[float]]) -> float:
        """The mean over supernets of tau between its scores (more is better) and the mean accuracy alone."""
        return float(np.mean([tau(one, self.alone.mean(axis=0)) for one in scores]))

    def interval(self, scores: Sequence[Sequence[float]]) -> tuple[float, float]:
        """95 % of `judged`, by bootstrap over archs."""
        rng, own, theirs = np.random.default_rng(0), self.alone.mean(axis=0), np.asarray(scores)
        rows = rng.integers(len(own), size=(BOOTSTRAPS, len(own)))
        found = [np.mean([tau(one[some], own[some]) for one in theirs]) for some in rows]
        low, high = np.nanquantile(found, (0.025, 0.975))
        return float(low), float(high)


def figures(study: Study) -> dict[str, float]:
    """All keys for which the trainings are there."""
    lengths, unit = study.size.lengths, study.size.unit
    curves, rates = study.curves(), study.rates()
    own = dict(zip((curves.passes / unit / BATCH).tolist(), curves.accuracy.T, strict=True))
    ranks = {
        "": study.ranks(study.spread, rates),
        "_within_band": study.ranks(study.band, [rates[len(rates) // 2]] * len(study.band)),
    }
    found: dict[str, float] = {f"rate_alone.{third}": v for third, v in thirds(rates).items()}
    for units, row in own.items():
        found[f"archs_alone.x{units:g}"] = float(np.isfinite(row).sum())
        if np.isfinite(row).all():
            found[f"acc_alone.x{units:g}"] = float(row.mean())
            found |= {f"acc_alone_{third}.x{units:g}": v for third, v in thirds(row).items()}
    halves = [study.alone(arch, rate, 1, study.size.seeds[0], BATCH // 2) for arch, rate in study.three()]
    wholes = [study.alone(arch, rate, 1, study.size.seeds[0]) for arch, rate in study.three()]
    if None not in halves:
        found["half_batch_gain.alone"] = float(np.mean(np.array(halves) - np.array(wholes)))
    for gene in study.space.all_genes:
        if 1.0 in own and (score := study.varying(gene.name)) is not None:
            found[f"gap_largest.varying_{gene.name}"] = float(own[1.0][-1]) - score
    for name in (*study.size.methods, *study.size.ways):
        at = {length: study.supernets(name, study.steps(name, length)) for length in lengths}
        at = {length: runs for length, runs in at.items() if runs}
        for length, runs in at.items():
            found |= {f"{key}.{name}.x{length}": v for key, v in _costs(runs, study.spread, curves).items()}
        found |= _at_equal_costs(study, name, at, found)
        for units, row in own.items():
            if runs := study.supernets(name, round(units * unit)):
                gaps = row - np.mean([[run["accuracy"][arch.id] for arch in study.spread] for run in runs], axis=0)
                found[f"gap_equal_steps.{name}.x{units:g}"] = float(np.nanmean(gaps))
                found[f"gap_largest.{name}.x{units:g}"] = float(gaps[-1])
        if len(at) == len(lengths):
            ratios = [found.get(f"cost_ratio.{name}.x{length}", math.nan) for length in lengths]
            found[f"cost_ratio.{name}"] = float(np.exp(np.mean(np.log(ratios))))
            for which, rank in ranks.items():
                if len(rank.alone) and (not which or name in study.size.ranked):
                    found |= _ranked(which, name, rank, study.band if which else study.spread, at)
    for which, rank in ranks.items():
        found[f"seeds_alone{which}"] = len(rank.alone)
        if len(rank.alone):
            found[f"tau{which}_macs_only"] = rank.by_macs
        if len(rank.alone) > 1:
            found[f"tau{which}_ceiling"] = rank.ceiling
    found = {key: value for key, value in found.items() if math.isfinite(value)}
    default = {key.replace(f".{DEFAULT}", ""): v for key, v in found.items() if f".{DEFAULT}." in f"{key}."}
    return {**found, **{key: v for key, v in default.items() if key.startswith(("cost_ratio", "tau", "gap"))}}


def _costs(runs: Sequence[Run], archs: Sequence[Arch], curves: Curves) -> dict[str, float]:
    """What trainings of one method and length gave and took."""
    scores = np.array([[run["accuracy"][arch.id] for arch in archs] for run in runs])
    mean = {key: float(np.mean([run[key] for run in runs])) for key in ("passes", "gmacs", "cpu_s")}
    ratios = [curves.cost_ratio(run["passes"], own) for run, own in zip(runs, scores, strict=True)]
    return {
        "acc": float(scores.mean()),
        "acc_std": float(scores.mean(axis=1).std()),
        **{f"acc_{third}": v for third, v in thirds(scores.mean(axis=0)).items()},
        **mean,
        "seeds": len(runs),
        "cost_ratio": float(np.exp(np.mean(np.log(ratios)))),
    }


def _at_equal_costs(
    study: Study, name: str, at: Mapping[int, Sequence[Run]], found: Mapping[str, float]
) -> dict[str, float]:
    """Accuracies at the processor time and at the multiply-accumulates of the default."""
    by_gmacs = {found[f"gmacs.{name}.x{length}"]: found[f"acc.{name}.x{length}"] for length in at}
    new: dict[str, float] = {}
    for length in at:
        steps = study.steps_of_cpu(name, length)
        if steps is not None and (runs := study.supernets(name, steps)):
            new[f"acc_equal_cpu.{name}.x{length}"] = _accuracy(runs, study.spread)
            new[f"steps_equal_cpu.{name}.x{length}"] = steps
            new[f"seeds_equal_cpu.{name}.x{length}"] = len(runs)
            gmacs = float(np.mean([run["gmacs"] for run in runs]))
            by_gmacs[gmacs] = new[f"acc_equal_cpu.{name}.x{length}"]
    for length in at if len(by_gmacs) > 1 else ():
        new[f"acc_equal_gmacs.{name}.x{length}"] = at_cost(by_gmacs, found[f"gmacs.{DEFAULT}.x{length}"])
    return new


def _ranked(
    which: str, name: str, rank: Ranks, archs: Sequence[Arch], at: Mapping[int, Sequence[Run]]
) -> dict[str, float]:
    """Whether supernets rank archs as they are ranked alone."""
    loss = {n: [[-run["loss"][arch.id] for arch in archs] for run in runs] for n, runs in at.items()}
    right = {n: [[run["accuracy"][arch.id] for arch in archs] for run in runs] for n, runs in at.items()}
    by_loss, by_accuracy = ("_within_band", "_within_band_acc") if which else ("_loss", "_acc")
    found = {f"tau{by_loss}.{name}.x{n}": rank.judged(scores) for n, scores in loss.items()}
    found |= {f"tau{by_accuracy}.{name}.x{n}": rank.judged(scores) for n, scores in right.items()}
    for key in (by_loss, by_accuracy):
        found[f"tau{key}.{name}"] = float(np.mean([found[f"tau{key}.{name}.x{n}"] for n in at]))
    low, high = rank.interval([one for scores in loss.values() for one in scores])
    return {**found, f"tau{by_loss}_low.{name}": low, f"tau{by_loss}_high.{name}": high}


def _accuracy(runs: Sequence[Run], archs: Sequence[Arch]) -> float:
    return float(np.mean([[run["accuracy"][arch.id] for arch in archs] for run in runs]))
