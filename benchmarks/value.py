"""Is the network that `vitnas auto` hands out better than what its user would have without it?

Two data sets (6,000 training, 2,000 validation and 10,000 test images each), two latency limits each on this processor
(one thread), the same processor time for every method, five seeds. The methods:

auto           candidates, rungs and the winner's training, all within the time
random.all     a random arch at the limit, of a random one of the spaces that fit, trained for all of the time
random.within  a random arch at the limit, of the space that auto chose
same           a random arch of the space that auto chose, as fast as the arch that it chose
uniform        the largest uniformly scaled arch within the limit, of the space that auto chose
largest        of random archs within the limit, of the space that auto chose, the one with the most MACs
fixed.SPACE    auto with this space alone

All train by the recipe of auto, at the pace that was measured for their arch. Timing networks on the device is not counted for
any method: a device keeps its latencies from one data set to the next.

Keys, DATA-LIMIT one problem: acc.METHOD.DATA-LIMIT (percent of the test images, mean over seeds), std.METHOD.DATA-LIMIT (over
seeds), cpu_s.METHOD.DATA-LIMIT, seeds.DATA-LIMIT; ri.all, ri.within, ri.same (percent by which auto's accuracy is above that of
the random arch) with ri_low.* (lower end of 95 %, bootstrap over seeds); points_over_uniform, points_over_largest; space_regret
(points that the best fixed space is better than auto over all problems). With --quick one seed at a tenth of the time.

It takes hours on two cores; finished jobs are kept beside the results and not done again. VITNAS_VALUE_SEEDS=2 stops after
two seeds, and results tell of the seeds that are complete.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import frame
import numpy as np
import torch

from vitnas.automation.clock import Clock
from vitnas.automation.contest import Contest
from vitnas.automation.fitting import Fit, at_the_limits, random_fit
from vitnas.automation.plan import Plan
from vitnas.automation.planning import LIKELY, entry_of, make_plan
from vitnas.automation.scaling import at_random
from vitnas.automation.settings import AutoSettings
from vitnas.files import read_json, write_json
from vitnas.search_spaces import Arch
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import Dataset, DataSettings, load_dataset

IMAGES = Path(__file__).parents[2] / "shared" / "data" / "images"
FILES = {"cifar10": "cifar10_32x32_rgb_full_jpegpack.npz", "fashion": "fashion_mnist_28x28_gray.npz"}
LIMITS_MS = {"cifar10": (1.0, 2.0), "fashion": (0.7, 1.4)}
SPACES = LIKELY[:8]
"""Those that candidates, and random archs, come from."""
FIXED = LIKELY[:3]
METHODS = ("random.all", "random.within", "same", "uniform", "largest", *(f"fixed.{name}" for name in FIXED))
SECONDS = float(os.environ.get("VITNAS_VALUE_SECONDS", "180"))
SEEDS = int(os.environ.get("VITNAS_VALUE_SEEDS", "5"))
TRAIN, VAL = 6000, 2000
DRAWN = 8
"""Random archs of which "largest" takes the one with the most MACs."""
WORK = Path(os.environ.get("VITNAS_BENCHMARK_WORK", Path(tempfile.gettempdir()) / "vitnas-value"))


@dataclass(frozen=True)
class Problem:
    """Images, a limit, and the processor seconds of every method."""

    data: str
    limit_ms: float
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.data}-{self.limit_ms:g}ms"

    @property
    def folder(self) -> Path:
        return WORK / f"{self.seconds:g}s" / self.name

    @property
    def images(self) -> DataSettings:
        return DataSettings(str(WORK / f"{self.data}.npz"))

    def clock(self, file: Path) -> Clock:
        """Remembers in a file of its own what the problem's common file knows."""
        common = self.folder / "latencies.json"
        if common.is_file() and not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(common, file)
        return Clock({"cpu": self.limit_ms}, file)

    def settings(self, seed: int, spaces: tuple[str, ...] = SPACES) -> AutoSettings:
        limits = {"cpu": self.limit_ms}
        return AutoSettings(limits=limits, seconds=self.seconds, spaces=spaces, baselines=(), workers=1, seed=seed)


def measure(quick: bool) -> dict[str, float]:
    if missing := [FILES[data] for data in FILES if not (IMAGES / FILES[data]).is_file()]:
        raise SystemExit(f"needs {missing} in {IMAGES}")
    problems = [Problem(d, ms, SECONDS) for d, limits in LIMITS_MS.items() for ms in limits]
    seeds = range(SEEDS)
    if quick:
        problems, seeds = [Problem("fashion", 0.7, 8.0)], range(1)
    for data in {problem.data for problem in problems}:
        prepare(data)
    methods = METHODS[:5] if quick else METHODS
    with ProcessPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(look, problems))
        for seed in seeds:
            list(pool.map(job, [(p, seed, "auto") for p in problems]))
            list(pool.map(job, [(p, seed, method) for p in problems for method in methods]))
    return summary(problems, methods)


def prepare(data: str) -> None:
    """Writes the images of one data set as the benchmark divides them: the published test, and parts of the rest."""
    file = WORK / f"{data}.npz"
    if file.is_file():
        return
    pack = dict(np.load(IMAGES / FILES[data]))
    order = np.random.default_rng(0).permutation(len(pack["y_train"]))
    rows = {"train": order[:TRAIN], "val": order[TRAIN : TRAIN + VAL], "test": np.arange(len(pack["y_test"]))}
    arrays: dict[str, Any] = {}
    for part, chosen in rows.items():
        split = "test" if part == "test" else "train"
        arrays[f"x_{part}"] = pictures(pack, split, chosen)
        arrays[f"y_{part}"] = pack[f"y_{split}"][chosen]
    WORK.mkdir(parents=True, exist_ok=True)
    np.savez(file, **arrays)


def pictures(pack: Mapping[str, Any], split: str, rows: Any) -> Any:
    if f"x_{split}" in pack:
        return pack[f"x_{split}"][rows]
    from PIL import Image

    ends, packed = pack[f"offset_{split}"], pack[f"jpeg_{split}"]
    return np.stack([np.asarray(Image.open(io.BytesIO(packed[ends[i] : ends[i + 1]].tobytes()))) for i in rows])


def look(problem: Problem) -> None:
    """Times the networks that methods will ask for, so that no method pays for it."""
    problem.folder.mkdir(parents=True, exist_ok=True)
    if (problem.folder / "looked").is_file():
        return
    clock = Clock({"cpu": problem.limit_ms}, problem.folder / "latencies.json")
    dataset = load_dataset(problem.images)
    fits_of(problem, dataset, clock)
    for spaces in (SPACES, *((name,) for name in FIXED)):
        try:
            make_plan(dataset, problem.settings(0, spaces), clock, 1, print)
        except Exception as error:  # a fixed space that has no arch within the limit
            print(error)
    (problem.folder / "looked").touch()


def fits_of(problem: Problem, dataset: Dataset, clock: Clock) -> list[Fit]:
    return at_the_limits(SPACES, dataset.task, clock, lambda text: None)


def job(task: tuple[Problem, int, str]) -> None:
    """One method on one problem with one seed; what it found is kept."""
    problem, seed, method = task
    folder = problem.folder / str(seed)
    file = folder / f"{method}.json"
    if file.is_file():
        return
    clock = problem.clock(folder / method / "latencies.json")
    dataset = load_dataset(problem.images)
    if method == "auto" or method.startswith("fixed."):
        spaces = (method.removeprefix("fixed."),) if method != "auto" else SPACES
        try:
            plan = make_plan(dataset, problem.settings(seed, spaces), clock, 1, lambda text: None)
        except Exception as error:
            write_json(file, {"error": str(error)})
            return
    else:
        found = read_json(folder / "auto.json")
        fit = fit_for(method, problem, dataset, clock, seed, found)
        plan = Plan((entry_of("candidate", fit, problem.seconds),), (), 1, 1, seed, 1.0)
    contest = Contest(folder / method, plan, problem.images, lambda text: None)
    winner, _ = contest.choose()
    contest.finish([winner])
    result = contest.tested(winner)
    told = {
        "accuracy": result.accuracy,
        "loss": result.loss,
        "space": winner.space,
        "arch": winner.arch,
        "ms": winner.ms["cpu"],
        "steps": winner.steps,
        "cpu_s": contest.spent_s(winner),
        "candidates": [[e.space, e.image_size, e.ms["cpu"], e.steps] for e in plan.candidates],
        "plan_s": plan.looked_s,
    }
    write_json(file, told)
    shutil.rmtree(folder / method)


def fit_for(method: str, problem: Problem, dataset: Dataset, clock: Clock, seed: int, auto: Mapping[str, Any]) -> Fit:
    """The arch of a method that chooses none by training."""
    rng = np.random.default_rng([seed, 7])
    fits = fits_of(problem, dataset, clock)
    if method == "random.all":
        return random_fit(fits, clock, rng)
    [own] = [fit for fit in fits if fit.space.name == auto["space"]]
    if method == "random.within":
        return random_fit([own], clock, rng)
    if method == "uniform":
        return own
    if method == "same":
        at = Clock({"cpu": 1.04 * auto["ms"]}, problem.folder / str(seed) / method / "latencies.json")
        arch = own.space.check(Arch.from_json(auto["arch"]))
        [alike] = at_random(own.space, at, arch, 1, rng) or [own.placed]
        return own.other(alike)
    archs = [own.placed, *at_random(own.space, clock, own.placed.arch, DRAWN, rng)]
    macs = PopulationCounter(own.space)(own.space.encode([one.arch for one in archs])).macs
    return own.other(archs[int(macs.argmax())])


def summary(problems: list[Problem], methods: tuple[str, ...]) -> dict[str, float]:
    results: dict[str, float] = {}
    table = []
    for problem in problems:
        seeds = [
            s for s in range(100) if all((problem.folder / str(s) / f"{m}.json").is_file() for m in ("auto", *methods))
        ]
        found = {m: [read_json(problem.folder / str(s) / f"{m}.json") for s in seeds] for m in ("auto", *methods)}
        right = {m: [one for one in runs if "error" not in one] for m, runs in found.items()}
        acc = {m: np.array([100 * one["accuracy"] for one in runs]) for m, runs in right.items() if runs}
        name = problem.name
        results[f"seeds.{name}"] = len(seeds)
        for method, values in acc.items():
            results[f"acc.{method}.{name}"] = values.mean()
            results[f"std.{method}.{name}"] = values.std()
            results[f"cpu_s.{method}.{name}"] = np.mean([one["cpu_s"] for one in right[method]])
            table.append(
                (
                    f"{name} {method}",
                    f"{values.mean():.2f}",
                    f"{values.std():.2f}",
                    f"{results[f'cpu_s.{method}.{name}']:.0f}",
                )
            )
        for key, method in (("all", "random.all"), ("within", "random.within"), ("same", "same")):
            gains = 100 * (acc["auto"] - acc[method]) / acc[method]
            results[f"ri.{key}.{name}"] = gains.mean()
            results[f"ri_low.{key}.{name}"] = lower(gains)
        results[f"points_over_uniform.{name}"] = (acc["auto"] - acc["uniform"]).mean()
        results[f"points_over_largest.{name}"] = (acc["auto"] - acc["largest"]).mean()
    frame.show("methods", ("problem and method", "test %", "std", "CPU s"), table)
    fixed = [m for m in methods if m.startswith("fixed.") and all(f"acc.{m}.{p.name}" in results for p in problems)]
    if fixed:
        own = np.mean([results[f"acc.auto.{p.name}"] for p in problems])
        best = max(np.mean([results[f"acc.{m}.{p.name}"] for p in problems]) for m in fixed)
        results["space_regret"] = float(best - own)
    return {key: float(value) for key, value in results.items()}


def lower(gains: Any) -> float:
    """The lower end of the 95 % interval of a mean, by bootstrap over seeds."""
    rng = np.random.default_rng(0)
    means = rng.choice(gains, (10_000, len(gains))).mean(axis=1)
    return float(np.quantile(means, 0.025))


if __name__ == "__main__":
    frame.run(__doc__, measure)
