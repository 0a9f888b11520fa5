"""The figures of supernet_quality: what a supernet costs against stand-alone networks, and whether both rank alike."""

from __future__ import annotations

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
        accuracy: ``(archs, lengths)``, percent, means over seeds.
    """

    passes: Floats
    accuracy: Floats

    def equal_passes(self, accuracy: Sequence[float]) -> Floats:
        """For each arch the passes at which it is as good alone; lines in the logarithm, beyond the ends as well."""
        log = np.log(self.passes)
        return np.exp([_line(theirs, log, a) for theirs, a in zip(self.accuracy, accuracy, strict=True)])

    def cost_ratio(self, passes: float, accuracy: Sequence[float]) -> float:
        """Passes of a supernet over those at which one network alone is as good, the geometric mean over archs."""
        return float(np.exp(np.mean(np.log(passes / self.equal_passes(accuracy)))))


def _line(x: Floats, y: Floats, at: float) -> float:
    """Piecewise linear through rising points; the first and the last piece go on beyond them."""
    i = int(np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2))
    return float(y[i] + (at - x[i]) * (y[i + 1] - y[i]) / (x[i + 1] - x[i]))


def at_cost(runs: Mapping[float, float], cost: float) -> float:
    """The accuracy at a cost, from those at other costs, by lines in the logarithm of the cost."""
    costs = np.array(sorted(runs))
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
        """Between two disjoint sets of seeds: what a perfect judge reaches whose noise is that of a training alone."""
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
    found = {f"acc_alone.x{units:g}": float(row.mean()) for units, row in own.items()}
    found |= {f"acc_alone_{third}.x{u:g}": v for u, row in own.items() for third, v in thirds(row).items()}
    found |= {f"rate_alone.{third}": v for third, v in thirds(rates).items()}
    halves = [study.alone(arch, rate, 1, study.size.seeds[0], BATCH // 2) for arch, rate in study.three()]
    wholes = [study.alone(arch, rate, 1, study.size.seeds[0]) for arch, rate in study.three()]
    if None not in halves:
        found["half_batch_gain.alone"] = float(np.mean(np.array(halves) - np.array(wholes)))
    for name in (*study.size.methods, *study.size.ways):
        at = {length: study.supernets(name, study.steps(name, length)) for length in lengths}
        at = {length: runs for length, runs in at.items() if runs}
        for length, runs in at.items():
            found |= {f"{key}.{name}.x{length}": v for key, v in _costs(runs, study.spread, curves).items()}
        found |= _at_equal_costs(study, name, at, found)
        for steps, units in ((round(units * unit), units) for units in own):
            if runs := study.supernets(name, steps):
                found[f"gap_equal_steps.{name}.x{units:g}"] = float(own[units].mean() - _accuracy(runs, study.spread))
        if len(at) == len(lengths):
            ratios = [found[f"cost_ratio.{name}.x{length}"] for length in lengths]
            found[f"cost_ratio.{name}"] = float(np.exp(np.mean(np.log(ratios))))
            for which, rank in ranks.items():
                if rank is not None and (not which or name in study.size.ranked):
                    found |= _ranked(which, name, rank, study.band if which else study.spread, at)
    for which, rank in ranks.items():
        if rank is not None:
            found[f"tau{which}_ceiling"], found[f"tau{which}_macs_only"] = rank.ceiling, rank.by_macs
    default = {key.replace(f".{DEFAULT}", ""): v for key, v in found.items() if f".{DEFAULT}" in key}
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
