"""Is the network that `vitnas auto` hands out better than what its user would have without it?

Two data sets (6,000 training, 2,000 validation and 10,000 test images each), two latency limits each on this processor
(one thread), the same processor time for every method, paired seeds. The methods:

auto           candidates, rungs and the winner's training, all within the time
random.all     a random arch at the limit, of a random one of the spaces that fit, trained for all of the time
random.within  a random arch at the limit, of the space that auto chose
same           a random arch of the space that auto chose, as fast as the arch that it chose
uniform        the largest uniformly scaled arch within the limit, of the space that auto chose
several        auto with four candidates, whatever the time; where it has one, the others cost that one its steps
supernet       auto's other strategy: half of the time for a supernet, then its best archs
largest        of random archs within the limit, of the space that auto chose, the one with the most MACs
fixed.SPACE    auto with this space alone

All train by the recipe of auto, at the pace that was measured for their arch. Planning counts, in processor seconds
as trainings do; timing networks on the device is not counted for any method: a device keeps its latencies from one data
set to the next.

Keys, DATA-LIMIT one problem: acc.METHOD.DATA-LIMIT (percent of the test images, mean over seeds), std.METHOD.DATA-LIMIT (over
seeds), cpu_s.METHOD.DATA-LIMIT, seeds.METHOD.DATA-LIMIT; ri.all, ri.within, ri.same (percent by which auto's accuracy is above that of
the random arch) with ri_low.* (lower end of 95 %, bootstrap over seeds); points_over_uniform, points_over_largest; strategy_regret
(points that the best strategy, of auto, several and supernet, is better than auto, mean over the problems); space_regret
(points that the best fixed space is better than auto over all problems). With --quick one seed, one space and a few seconds.

It takes hours on two cores. Finished jobs are kept below VITNAS_BENCHMARK_WORK and in results/value.runs.json, and not done again; with
VITNAS_VALUE_MINUTES=60 no job begins after an hour, and the results tell of what is there, each method against auto on the seeds
that both have, on processors of one kind.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import frame
import numpy as np
import torch

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.fitting import Fit, at_the_limits, random_fit
from vitnas.automation.candidates.lanes import Lanes
from vitnas.automation.candidates.scaling import at_random
from vitnas.automation.contest import Contest
from vitnas.automation.plan import Plan
from vitnas.automation.planning import LIKELY, entry_of, make_plan
from vitnas.automation.planning_shared import plan_from
from vitnas.automation.settings import AutoSettings
from vitnas.automation.sharing import SHARE, Shared, plan_shared, train_shared
from vitnas.files import KEY, read_json, without_seal, write_json
from vitnas.run import RunFolder, environment
from vitnas.search_spaces import Arch
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import Dataset, DataSettings, load_dataset

IMAGES = Path(__file__).parents[2] / "shared" / "data" / "images"
FILES = {"cifar10": "cifar10_32x32_rgb_full_jpegpack.npz", "fashion": "fashion_mnist_28x28_gray.npz"}
LIMITS_MS = {"cifar10": (1.0, 2.0), "fashion": (0.7, 1.4)}
SPACES = LIKELY[:8]
"""Those that candidates, and random archs, come from."""
FIXED = LIKELY[:3]
METHODS: tuple[tuple[tuple[str, ...], range], ...] = (
    (("random.all", "uniform", "random.within"), range(5)),
    (("several", "supernet", *(f"fixed.{name}" for name in FIXED)), range(5, 7)),
    (("same", "largest"), range(7, 12)),
)
"""Methods in the order in which they get their seeds. A seed has all that is compared on one kind of processor: those who go on
on another give further seeds."""
SECONDS = float(os.environ.get("VITNAS_VALUE_SECONDS", "180"))
MINUTES = float(os.environ.get("VITNAS_VALUE_MINUTES", "inf"))
JOBS = int(os.environ.get("VITNAS_VALUE_JOBS", os.cpu_count() or 1))
TRAIN, VAL = 6000, 2000
LANES = Lanes(now=time.process_time)
"""One thread; what other work on the machine takes away is not held against a method that plans."""
DRAWN = 8
"""Random archs of which "largest" takes the one with the most MACs."""
SEVERAL = 4
STRATEGIES = ("auto", "several", "supernet")
RUNS = Path(__file__).parent / "results" / "value.runs.json"
"""What finished jobs found: problem and time -> seed -> method."""


def cpu() -> str:
    """The processor's name, and its family and model, which virtual machines leave where they hide the name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    numbers = [f"{key} {told[key]}" for key in ("cpu family", "model") if key in told]
    return ", ".join([environment()["cpu"], *numbers])


CPU = cpu()
"""Methods are compared on one kind of processor: as many seconds of another are more steps, or fewer."""
WORK = Path(os.environ.get("VITNAS_BENCHMARK_WORK", Path(tempfile.gettempdir()) / "vitnas-value"))


@dataclass(frozen=True)
class Problem:
    """Images, a limit, and the processor seconds of every method."""

    data: str
    limit_ms: float
    seconds: float
    spaces: tuple[str, ...] = SPACES

    @property
    def name(self) -> str:
        return f"{self.data}-{self.limit_ms:g}ms"

    @property
    def folder(self) -> Path:
        return WORK / self.key

    @property
    def key(self) -> str:
        return f"{self.seconds:g}s/{self.name}"

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

    def settings(self, seed: int, method: str = "auto") -> AutoSettings:
        """Auto chooses among all spaces that it knows unless one is fixed."""
        asked = AutoSettings(limits={"cpu": self.limit_ms}, seconds=self.seconds, baselines=(), workers=1, seed=seed)
        if method == "several":
            return replace(asked, candidates=SEVERAL)
        if method == "supernet":
            return replace(asked, strategy="supernet")
        return replace(asked, spaces=(method.removeprefix("fixed."),) if method.startswith("fixed.") else ())


def measure(quick: bool, only: str | None = None) -> dict[str, float]:
    if missing := [FILES[data] for data in FILES if not (IMAGES / FILES[data]).is_file()]:
        raise SystemExit(f"needs {missing} in {IMAGES}")
    problems = [Problem(d, ms, SECONDS) for d, limits in LIMITS_MS.items() for ms in limits]
    problems = [problem for problem in problems if only in (None, problem.name)]
    groups = METHODS
    if quick:
        problems, groups = [Problem("fashion", 0.7, 4.0, LIKELY[:1])], ((("uniform", "random.within"), range(1)),)
    for data in {problem.data for problem in problems}:
        prepare(data)
    if not quick:
        recall(problems)
    deadline = time.time() + 60 * MINUTES
    with ProcessPoolExecutor(JOBS, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(look, problems))
        for methods, seeds in groups:
            for seed in seeds:
                list(pool.map(job, [(p, seed, "auto", deadline) for p in problems]))
                list(pool.map(job, [(p, seed, method, deadline) for method in methods for p in problems]))
    if not quick:
        keep(problems)
    return summary(problems, [method for methods, _ in groups for method in methods])


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
    make_plan(dataset, problem.settings(0), clock, LANES, print)
    (problem.folder / "looked").touch()


def fits_of(problem: Problem, dataset: Dataset, clock: Clock) -> list[Fit]:
    return at_the_limits(problem.spaces, dataset.task, clock, lambda text: None)


def job(task: tuple[Problem, int, str, float]) -> None:
    """One method on one problem with one seed; what it found is kept."""
    problem, seed, method, deadline = task
    folder = problem.folder / str(seed)
    file = folder / f"{method}.json"
    plans = method in STRATEGIES or method.startswith("fixed.")
    auto = read_json(folder / "auto.json") if (folder / "auto.json").is_file() else {}
    ready = method == "auto" or auto.get("cpu") == CPU
    if file.is_file() or time.time() > deadline or not ready:
        return
    if method == f"fixed.{auto.get('space')}" and len(auto["candidates"]) == 1:
        write_json(file, without_seal(auto, str(file)))  # the same training
        return
    clock = problem.clock(folder / method / "latencies.json")
    dataset, shared = load_dataset(problem.images), None
    if plans:
        settings = problem.settings(seed, method)
        try:
            if method == "supernet":
                shared = share(problem, settings, clock, folder / method)
                run, settings = RunFolder.open(shared.path), replace(settings, seconds=(1 - SHARE) * problem.seconds)
                plan = plan_from(run, dataset, settings, clock, LANES, lambda text: None)
            else:
                plan = make_plan(dataset, settings, clock, LANES, lambda text: None)
        except Exception as error:
            write_json(file, {"error": str(error)})
            return
    else:
        fit = fit_for(method, problem, dataset, clock, seed, auto)
        if fit is None:
            write_json(file, {"error": "no random arch has this latency"})
            return
        plan = Plan((entry_of("candidate", fit, problem.seconds),), (), 1, 1, seed, 1.0)
    contest = Contest(folder / method, plan, problem.images, lambda text: None, shared=shared)
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
        "cpu": CPU,
    }
    write_json(file, told)
    shutil.rmtree(folder / method)


def share(problem: Problem, settings: AutoSettings, clock: Clock, folder: Path) -> Shared:
    """The supernet of one limit, with all of its cost."""
    plan = plan_shared(
        LIKELY, problem.images, (clock, clock), problem.seconds, 1, LANES, settings.seed, lambda text: None
    )
    run, mark = train_shared(plan, problem.images, folder / "supernet", show=False)
    return Shared(run.path, mark.cpu_s)


def recall(problems: list[Problem]) -> None:
    """Brings back what jobs found that were done elsewhere."""
    kept = read_json(RUNS) if RUNS.is_file() else {}
    for problem in problems:
        for seed, found in kept.get(problem.key, {}).items():
            for method, one in found.items():
                if not (file := problem.folder / seed / f"{method}.json").is_file():
                    write_json(file, one)


def keep(problems: list[Problem]) -> None:
    """Writes down what all jobs found."""
    kept = read_json(RUNS) if RUNS.is_file() else {}
    for problem in problems:
        files = sorted(problem.folder.glob("*/*.json"))
        found: dict[str, Any] = {}
        for file in files:
            found.setdefault(file.parent.name, {})[file.stem] = without_seal(read_json(file), str(file))
        kept[problem.key] = found
    write_json(RUNS, {key: one for key, one in kept.items() if key != KEY})


def fit_for(
    method: str, problem: Problem, dataset: Dataset, clock: Clock, seed: int, auto: Mapping[str, Any]
) -> Fit | None:
    """The arch of a method that chooses none by training; None where no random one was found at its latency."""
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
        alike = at_random(own.space, at, arch, 1, rng)
        return replace(own, placed=alike[0]) if alike else None
    archs = [own.placed, *at_random(own.space, clock, own.placed.arch, DRAWN, rng)]
    macs = PopulationCounter(own.space)(own.space.encode([one.arch for one in archs])).macs
    return replace(own, placed=archs[int(macs.argmax())])


def summary(problems: list[Problem], methods: Sequence[str]) -> dict[str, float]:
    results: dict[str, float] = {}
    ahead: dict[str, list[float]] = {}
    table = []
    for problem in problems:
        name = problem.name
        ours = runs_of(problem, "auto")
        for method in ("auto", *methods):
            runs = runs_of(problem, method)
            both = [seed for seed in ours if seed in runs and runs[seed]["cpu"] == ours[seed]["cpu"]]
            if not both:
                continue
            theirs, own = (np.array([100 * of[seed]["accuracy"] for seed in both]) for of in (runs, ours))
            cpu_s = np.mean([runs[seed]["cpu_s"] for seed in both])
            told = {"acc": theirs.mean(), "std": theirs.std(), "cpu_s": cpu_s, "seeds": len(both)}
            results |= {f"{key}.{method}.{name}": float(value) for key, value in told.items()}
            table.append((f"{name} {method}", f"{theirs.mean():.2f}", f"{theirs.std():.2f}", f"{cpu_s:.0f}", len(both)))
            ahead.setdefault(method, []).append(float((theirs - own).mean()))
            if (key := RELATIVE.get(method)) is not None:
                gains = 100 * (own - theirs) / theirs
                results[f"ri.{key}.{name}"] = float(gains.mean())
                if len(gains) > 1:  # one seed has no interval
                    results[f"ri_low.{key}.{name}"] = lower(gains)
            if method in ("uniform", "largest"):
                results[f"points_over_{method}.{name}"] = float((own - theirs).mean())
    frame.show("methods", ("problem and method", "test %", "std", "CPU s", "seeds"), table)
    regrets = []
    for problem in problems:
        found = {m: runs_of(problem, m) for m in STRATEGIES}
        seeds = set.intersection(*(set(runs) for runs in found.values()))
        if seeds:
            means = {m: np.mean([100 * runs[seed]["accuracy"] for seed in seeds]) for m, runs in found.items()}
            regrets.append(max(means.values()) - means["auto"])
    if regrets:
        results["strategy_regret"] = float(np.mean(regrets))
    fixed = {method: gaps for method, gaps in ahead.items() if method.startswith("fixed.")}
    everywhere = [float(np.mean(gaps)) for gaps in fixed.values() if len(gaps) == sum(map(len, LIMITS_MS.values()))]
    if everywhere:
        results["space_regret"] = max(everywhere)
    return results


RELATIVE = {"random.all": "all", "random.within": "within", "same": "same"}
"""Methods that auto's relative improvement is told over -> its key."""


def runs_of(problem: Problem, method: str) -> dict[int, Any]:
    """Seed -> what a method found."""
    found = {int(file.parent.name): read_json(file) for file in sorted(problem.folder.glob(f"*/{method}.json"))}
    return {seed: one for seed, one in found.items() if "error" not in one}


def lower(gains: Any) -> float:
    """The lower end of the 95 % interval of a mean, by bootstrap over seeds."""
    rng = np.random.default_rng(0)
    means = rng.choice(gains, (10_000, len(gains))).mean(axis=1)
    return float(np.quantile(means, 0.025))


if __name__ == "__main__":
    frame.run(__doc__, measure, {"--only": {"help": "one problem, such as cifar10-2ms"}})
