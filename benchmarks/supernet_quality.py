"""What does a supernet cost against networks trained alone, and does it rank archs as they are ranked alone?

CIFAR-10 at 16x16 (5 tokens), plain vision transformers of width 24-64 and depth 2-5, 128 images a step, one thread; the 10,000 images
of the published test judge. One unit is 400 steps, 51,200 image passes; x1 and x4 are supernets of one and four units of passes.
Twelve archs are spread over the space, sixteen lie within 5 % of one number of multiply-accumulates. Each is trained alone too, with
its own initialisation, its rate the best of three for its third of the sizes: at 1/4, 1 and 4 units, with two seeds at one unit.

Keys, METHOD a sampler or another way to train, xN a length; without a length, the mean over both; without a method, the default (multi):

acc.METHOD.xN         percent at equal passes, mean over the twelve and over seeds; acc_small, acc_mid, acc_large, acc_std (between seeds);
                      passes, gmacs (forward), cpu_s (of one core) of that training, seeds
acc_equal_gmacs.*     at as many multiply-accumulates as the default, from the method's own trainings by interpolation
acc_equal_cpu.*       at as much processor time as the default, trained for as many steps as that takes
cost_ratio.*          passes of the supernet over those at which one network alone is as good, geometric mean over archs
gap_equal_steps.*     points that a network alone is better after as many steps
tau_loss, tau_acc     Kendall's tau between a supernet's validation loss or accuracy and the mean accuracy alone, over the twelve;
                      tau_macs_only; tau_ceiling between two seeds alone
tau_within_band       tau_loss over the sixteen of equal cost; _low and _high (95 %, bootstrap over archs), _acc, _ceiling, _macs_only

It takes about an hour on one core. Trainings that are done are kept below VITNAS_BENCHMARK_WORK, and all of the committed results lie in
results/supernet_quality.runs.json; neither is done again. With VITNAS_QUALITY_MINUTES=60 none begins after an hour, and the
results tell of what is there. --keep FILE writes the trainings that are there into one file. --quick does all on a small scale,
without those that are kept.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import frame
import numpy as np
import torch
from supernet_figures import Curves, Ranks, figures
from supernet_methods import BATCH, DEFAULT, METHODS, WAYS, Method, passes_a_step
from supernet_runs import (
    IMAGES,
    Runs,
    band_archs,
    images,
    macs_of,
    pace,
    small_space,
    spread_archs,
    train,
    train_alone,
)

from vitnas.files import write_json
from vitnas.search_spaces import Arch

WORK = Path(os.environ.get("VITNAS_BENCHMARK_WORK", Path(tempfile.gettempdir()) / "vitnas-supernet-quality"))
COMMITTED = Path(__file__).with_name("results") / "supernet_quality.runs.json"
ALL: dict[str, Method] = {**METHODS, **WAYS}
ALIKE = 0.04
"""Share by which processor times are not told apart."""
MINUTES = float(os.environ.get("VITNAS_QUALITY_MINUTES", "inf"))


@dataclass(frozen=True)
class Size:
    """How large the whole is."""

    unit: int = 400
    lengths: tuple[int, ...] = (1, 4)
    units_alone: tuple[float, ...] = (0.25, 1, 4)
    seeds: tuple[int, ...] = (0, 1)
    rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3)
    spread: int = 12
    band: int = 16
    methods: tuple[str, ...] = tuple(METHODS)
    ways: tuple[str, ...] = tuple(WAYS)
    ranked: tuple[str, ...] = ("multi", "uniform", "sandwich")
    pace: tuple[int, int] = (5, 48)
    judges: int = 10_000


QUICK = Size(unit=8, rates=(2e-3,), spread=3, band=3, methods=("multi", "uniform"), ways=(), pace=(1, 4), judges=1000)


class Study:
    """The trainings, in the order of their use, and the figures from those that are there."""

    def __init__(self, size: Size, runs: Runs, work: Path) -> None:
        self.size, self.runs = size, runs
        self.space, dataset = small_space(), images(work)
        self.dataset = replace(dataset, val=dataset.val.sample(size.judges))
        self.spread, self.band = spread_archs(self.space, size.spread), band_archs(self.space, size.band)

    def alone(self, arch: Arch, rate: float, units: float, seed: int, batch: int = BATCH) -> float | None:
        """The accuracy of one network trained alone."""
        steps = round(units * self.size.unit * BATCH / batch)
        settings = {"learning_rate": rate, "batch_size": batch}
        other = "" if batch == BATCH else f"-batch-{batch}"
        found = self.runs.get(
            f"alone{other}-{arch.id}-{rate:g}-{steps}-{seed}",
            lambda: train_alone(self.space, self.dataset, arch, settings, steps, seed),
        )
        return None if found is None else float(found["accuracy"][arch.id])

    def rates(self) -> list[float]:
        """For each spread arch the rate that is best for its third of the sizes, at one unit with the first seed."""
        table = [[self.alone(arch, rate, 1, 0) or 0.0 for arch in self.spread] for rate in self.size.rates]
        best = [np.argmax(third.sum(axis=1)) for third in np.array_split(np.array(table), 3, axis=1)]
        sizes = [len(third) for third in np.array_split(np.arange(len(self.spread)), 3)]
        return [self.size.rates[i] for i, n in zip(best, sizes, strict=True) for _ in range(n)]

    def supernet(self, name: str, steps: int, seed: int) -> dict[str, Any] | None:
        """A supernet's training and its archs' scores."""
        archs = [*self.spread, *self.band] if name in self.size.ranked else self.spread
        return self.runs.get(
            f"{name}-{steps}-{seed}",
            lambda: train(self.space, self.dataset, ALL[name], steps, seed, archs),
        )

    def varying(self, gene: str) -> float | None:
        """What the largest arch scores on a supernet of the default that has all choices of one gene, the largest of others."""
        others = {one.name: one.choices[-1:] for one in self.space.all_genes if one.name != gene}
        space, largest, steps = self.space.restrict(**others), self.space.largest(), self.size.unit
        found = self.runs.get(
            f"varying-{gene}-{steps}-{self.size.seeds[0]}",
            lambda: train(space, self.dataset, ALL[DEFAULT], steps, self.size.seeds[0], [largest]),
        )
        return None if found is None else float(found["accuracy"][largest.id])

    def supernets(self, name: str, steps: int) -> list[dict[str, Any]]:
        """Those of all seeds that are there."""
        return [run for seed in self.size.seeds if (run := self.supernet(name, steps, seed)) is not None]

    def steps(self, name: str, length: int) -> int:
        """How many steps take as many passes as one unit times the length."""
        return round(length * self.size.unit / passes_a_step(self.space, ALL[name], self.size.unit))

    def steps_of_cpu(self, name: str, length: int) -> int | None:
        """How many steps take as much processor time as the default; those of equal passes where that is nearly the same."""
        if name == DEFAULT:
            return self.steps(name, length)
        found = self.runs.get(f"pace-{name}", lambda: pace(self.space, self.dataset, ALL[name], *self.size.pace))
        if found is None:
            return None
        steps, passes = round(length * self.size.unit / found["ratio"]), self.steps(name, length)
        return passes if abs(steps / passes - 1) < ALIKE else steps

    def do_all(self) -> None:
        """The most telling trainings first, since time may end."""
        size, rates = self.size, self.rates()
        first = size.lengths[0]
        for units, seed in [(1, 1), *((u, 0) for u in size.units_alone if u < 1)]:
            for arch, rate in zip(self.spread, rates, strict=True):
                self.alone(arch, rate, units, seed)
        for length in size.lengths:
            self.supernets(DEFAULT, self.steps(DEFAULT, length))
        for name in size.ways:
            self.supernet(name, self.steps(name, first), size.seeds[0])
        for arch, rate in self.three():
            self.alone(arch, rate, 1, size.seeds[0], BATCH // 2)
        for gene in self.space.all_genes:
            self.varying(gene.name)
        band = [(seed, arch) for seed in size.seeds for arch in self.band]
        for seed, arch in band[: size.band]:
            self.alone(arch, rates[len(rates) // 2], 1, seed)
        for arch, rate in self.three():
            self.alone(arch, rate, max(size.units_alone), size.seeds[0])
        for seed, arch in band[size.band :]:
            self.alone(arch, rates[len(rates) // 2], 1, seed)
        for name in size.methods:
            self.supernets(name, self.steps(name, first))
        for name in size.methods:
            self.supernet(name, self.steps(name, max(size.lengths)), size.seeds[0])
        self.at_equal_time(first)
        for arch, rate in zip(self.spread, rates, strict=True):
            self.alone(arch, rate, max(size.units_alone), size.seeds[0])
        for name in size.methods:
            self.supernets(name, self.steps(name, max(size.lengths)))
        self.at_equal_time(max(size.lengths))

    def at_equal_time(self, length: int) -> None:
        """Every method for as much processor time as the default takes for a length."""
        for name in self.size.methods:
            if (steps := self.steps_of_cpu(name, length)) is not None:
                self.supernets(name, steps)

    def three(self) -> list[tuple[Arch, float]]:
        """One arch of every third, and its rate."""
        at = [len(part) // 2 + int(part[0]) for part in np.array_split(np.arange(len(self.spread)), 3)]
        return [(self.spread[i], self.rates()[i]) for i in at]

    def curves(self) -> Curves:
        """What the spread archs reach alone, the mean over the seeds that all have, or else with the first."""
        rates, size = self.rates(), self.size
        rows = []
        for units in size.units_alone:
            each = np.array(
                [
                    [self.alone(*pair, units, seed) for pair in zip(self.spread, rates, strict=True)]
                    for seed in size.seeds
                ],
                dtype=np.float64,
            )
            whole = np.isfinite(each).all(axis=1)
            rows.append(each[whole].mean(axis=0) if whole.any() else each[0])
        return Curves(np.array(size.units_alone) * size.unit * BATCH, np.array(rows).T)

    def ranks(self, archs: Sequence[Arch], rates: Sequence[float]) -> Ranks:
        """What archs reach alone at one unit, one row for every seed that all of them have."""
        rows = [[self.alone(*pair, 1, seed) for pair in zip(archs, rates, strict=True)] for seed in self.size.seeds]
        return Ranks(np.array([row for row in rows if None not in row], dtype=np.float64), macs_of(self.space, archs))


def measure(quick: bool, keep: str | None = None) -> dict[str, float]:
    if not IMAGES.is_file():
        raise SystemExit(f"needs {IMAGES}")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(Path(folder)) if quick else Runs(WORK, COMMITTED, time.time() + 60 * MINUTES)
        study = Study(QUICK if quick else Size(), runs, WORK)
        study.do_all()
        runs.deadline = 0.0  # from now on what is there
        results = figures(study)
    if keep is not None:
        write_json(Path(keep), {"runs": dict(sorted(runs.found.items()))}, seal=False)
    return results


if __name__ == "__main__":
    frame.run(
        __doc__, measure, {"--keep": {"metavar": "FILE", "help": "write the trainings that are there into one file"}}
    )
