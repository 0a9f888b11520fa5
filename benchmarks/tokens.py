"""Is a front with genes of tokens and patches better than one of width and depth alone, at equal measured milliseconds?

Two problems, Fashion-MNIST enlarged to 56 pixels and CIFAR-10 to 64, three seeds each; `--only fashion-0` is one problem with
one seed. The space is `staged-vit` made small: width, depth and ratio in both searches, and in one of them also the patch size (on
one resampled kernel), the reducer and its shares. Each search has a supernet of its own, trained for as many steps on
the same images, as many evaluations on the same validation images, and the same latency table of this processor (ONNX
Runtime, one thread). What either front holds is then timed in turns, in one sitting, and looks at test images.

gain_points.PROBLEM   accuracy on test images, in points, of the front with token genes less that of width and depth alone: at
                      each of 40 latencies that both fronts reach the network that is best on validation images, mean over
                      latencies and over the seeds that were measured; .seed0 and so on of one seed stand under points.PROBLEM
mape.PROBLEM          mean absolute error of the table on networks that it was not fitted to, in percent
said_mape.PROBLEM     the same of the networks of both fronts, as they were timed together
flips.PROBLEM         share of choices of tokens that flip in half precision, over the networks of the front that choose, in percent
choosing.PROBLEM      how many of the front with token genes choose (keep, merge), .window merge windows, .patches have other patches
cpu_s.PROBLEM         processor seconds of a part, profiling included where it made the table

Trainings, tables and searches are kept below VITNAS_BENCHMARK_WORK: a part that was killed goes on where it stopped. A part takes
about 12 minutes of one core. --quick is one seed of one problem with a few steps, and shows that all of it runs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import frame
import numpy as np
import torch
from problems.given import FILES, IMAGES

from vitnas.api.profiling import profile
from vitnas.api.searching import search
from vitnas.deployment.flips import flips_in_half
from vitnas.files import read_json, write_json
from vitnas.latency_lut.devices.cpu import CPU
from vitnas.latency_lut.protocol import align
from vitnas.latency_lut.settings import ProfileSettings, TimingSettings
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace, Task, load_space
from vitnas.supernets.data import Dataset, DataSettings, load_dataset
from vitnas.supernets.evaluation import cut_out, evaluate
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet

WORK = Path(os.environ.get("VITNAS_BENCHMARK_WORK", Path(tempfile.gettempdir()) / "vitnas-tokens"))
SEEDS = (0, 1, 2)
LEVELS = 40
WITH, ALONE = "with", "alone"

SPACE = """
name = "tokens-{name}"
extends = "staged-vit"

[change]
patch = {patch}
patches = [{patch}, {larger}]
width = [32, 48, 64, 96]
depth = [[1, 2], [1, 2], [1, 2], [1, 2]]
heads = [2]
head_width = 16
ratio = [2.0, 4.0]
tokens = [[0.5, 0.75, 1.0], [0.35, 0.5, 0.75, 1.0], [0.25, 0.35, 0.5, 0.75]]
grid = [[0.25, 0.5, 1.0], [0.25, 0.5, 1.0], [0.25, 0.5]]
"""


@dataclass(frozen=True)
class TokenProblem:
    """Images, enlarged, and patches of which 8x8 or 4x4 cover them."""

    name: str
    image_size: int
    in_channels: int
    patch: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def data(self, seed: int, val_share: float) -> DataSettings:
        return DataSettings(
            str(IMAGES / FILES[self.name]),
            image_size=self.image_size,
            val_share=val_share,
            seed=seed,
            mean=self.mean,
            std=self.std,
        )

    def space(self, work: Path) -> SearchSpace:
        file = work / f"{self.name}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SPACE.format(name=self.name, patch=self.patch, larger=2 * self.patch))
        return load_space(str(file), Task(self.image_size, 10, self.in_channels))

    def spaces(self, work: Path) -> dict[str, SearchSpace]:
        """With token genes, and the same without."""
        whole = self.space(work)
        return {WITH: whole, ALONE: whole.restrict(reducer=("none",), patch=(self.patch,))}


PROBLEMS = {
    "fashion": TokenProblem("fashion", 56, 1, 7, (0.286,), (0.353,)),
    "cifar10": TokenProblem("cifar10", 64, 3, 8, (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
}
PARTS = tuple(f"{name}-{seed}" for name in PROBLEMS for seed in SEEDS)


@dataclass(frozen=True)
class TokenBudget:
    """What a part may take."""

    steps: int
    evaluations: int
    val_share: float
    test_images: int
    most: int
    profile_s: float | None
    profiling: ProfileSettings
    timing: TimingSettings


FULL = TokenBudget(
    steps=1500,
    evaluations=80,
    val_share=0.02,
    test_images=4000,
    most=12,
    profile_s=None,
    profiling=ProfileSettings(
        block_ms=10.0,
        blocks=12,
        max_repeats=2,
        warmup_ms=50.0,
        max_warmup_ms=300.0,
        fit_networks=24,
        test_networks=30,
        tolerance=0.02,
    ),
    timing=TimingSettings(block_ms=25.0, blocks=15, warmup_ms=100.0, max_warmup_ms=500.0),
)
QUICK = TokenBudget(
    steps=3,
    evaluations=10,
    val_share=0.003,
    test_images=100,
    most=3,
    profile_s=None,
    profiling=ProfileSettings(
        block_ms=1.0,
        blocks=4,
        max_repeats=1,
        warmup_ms=5.0,
        max_warmup_ms=20.0,
        fit_networks=6,
        test_networks=4,
        tolerance=0.9,
    ),
    timing=TimingSettings(block_ms=1.0, blocks=4, warmup_ms=5.0, max_warmup_ms=20.0),
)


def measure(quick: bool, only: str | None) -> frame.Results:
    torch.set_num_threads(1)
    if quick:
        with tempfile.TemporaryDirectory() as folder:
            return _results({"fashion-0": _part("fashion", 0, QUICK, Path(folder))})
    for part in [only] if only else PARTS:
        name, seed = part.rsplit("-", 1)
        _part(name, int(seed), FULL, WORK)
    kept = {part: read_json(_kept(WORK, part)) for part in PARTS if _kept(WORK, part).is_file()}
    wanted = {part: found for part, found in kept.items() if only is None or part.startswith(only.rsplit("-", 1)[0])}
    return _results(wanted)


def _kept(work: Path, part: str) -> Path:
    return work / f"{part}.json"


def _results(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in dict.fromkeys(part.rsplit("-", 1)[0] for part in parts):
        mine = {part.rsplit("-", 1)[1]: told for part, told in parts.items() if part.startswith(f"{name}-")}
        found[f"gain_points.{name}"] = float(np.mean([told["gain"] for told in mine.values()]))
        found |= {f"points.{name}.seed{seed}": told["gain"] for seed, told in mine.items()}
        for key in ("mape", "said_mape", "flips", "choosing", "choosing.window", "choosing.patches", "cpu_s"):
            head, _, tail = key.partition(".")
            found[f"{head}.{name}" + (f".{tail}" if tail else "")] = float(np.mean([t[key] for t in mine.values()]))
        found[f"seeds.{name}"] = float(len(mine))
    return found


def _part(name: str, seed: int, budget: TokenBudget, work: Path) -> dict[str, Any]:
    """One problem with one seed: what it came to, or had come to."""
    part, problem = f"{name}-{seed}", PROBLEMS[name]
    if _kept(work, part).is_file():
        return dict(read_json(_kept(work, part)))
    begun, data = time.process_time(), problem.data(seed, budget.val_share)
    dataset, spaces = load_dataset(data), problem.spaces(work)
    table = (
        profile(spaces[WITH], "cpu", budget.profiling, path=work / f"{name}-cpu.parquet", budget_s=budget.profile_s)
        if not (work / f"{name}-cpu.parquet").is_file()
        else None
    )
    runs = {which: _trained(work / part / which, space, data, budget, seed) for which, space in spaces.items()}
    points = [
        (which, arch, score) for which, run in runs.items() for arch, score in _front(run, work, name, budget, seed)
    ]
    timings = align(list(CPU().time([spaces[which].lower(arch) for which, arch, _ in points], budget.timing)))
    ms = [timing.median_ms for timing in timings]
    tested = _tested(runs, [(which, arch) for which, arch, _ in points], dataset, budget.test_images)
    told = _told(table, work / f"{name}-cpu.parquet", spaces[WITH], [arch for _, arch, _ in points], ms)
    curves = {
        which: [(m, score, t) for (w, _, score), m, t in zip(points, ms, tested, strict=True) if w == which]
        for which in spaces
    }
    archs = [arch for which, arch, _ in points if which == WITH]
    found = {
        "gain": _gain(curves[WITH], curves[ALONE]),
        **told,
        "flips": 100 * _flips(runs[WITH], archs, dataset),
        "choosing": sum(arch["reducer"] in ("keep", "merge") for arch in archs),
        "choosing.window": sum(arch["reducer"] == "window" for arch in archs),
        "choosing.patches": sum(arch["patch"] != problem.patch for arch in archs),
        "cpu_s": time.process_time() - begun,
        "curves": curves,
    }
    _show(part, curves)
    write_json(_kept(work, part), found, seal=False)
    return found


def _trained(folder: Path, space: SearchSpace, data: DataSettings, budget: TokenBudget, seed: int) -> RunFolder:
    settings = TrainSettings(
        steps=budget.steps, batch_size=32, seed=seed, threads=1, loader_threads=1, loggers=(),
        evaluate_every=10**9, checkpoint_every=max(1, budget.steps // 4),
    )  # fmt: skip
    run = RunFolder.open(folder) if (folder / "config.toml").is_file() else start_run(folder, space, data, settings)
    train(run, progress=False)
    return RunFolder.open(folder)


def _front(run: RunFolder, work: Path, name: str, budget: TokenBudget, seed: int) -> list[tuple[Arch, float]]:
    """Archs of the front that a search finds, evenly over it, and their accuracy on validation images."""
    settings = SearchSettings(
        evaluations=budget.evaluations, initial=max(4, budget.evaluations // 4), measure=False, seed=seed, loggers=()
    )
    found = search(run, "cpu", settings, tables=[work / f"{name}-cpu.parquet"], folder=run.path / "search")
    points = sorted(found.front.points, key=lambda point: point.objectives["latency_ms"])
    chosen = np.unique(np.linspace(0, len(points) - 1, budget.most).round().astype(int))
    return [(points[i].arch, points[i].objectives["accuracy"]) for i in chosen]


def _tested(
    runs: Mapping[str, RunFolder], archs: Sequence[tuple[str, Arch]], dataset: Dataset, images: int
) -> list[float]:
    """Accuracy on the same test images."""
    assert dataset.test is not None
    judged, nets = dataset.test.sample(images), {which: load_supernet(run) for which, run in runs.items()}
    return [evaluate(cut_out(nets[which], arch, dataset.train), judged).accuracy for which, arch in archs]


def _told(table: Any, path: Path, space: SearchSpace, archs: Sequence[Arch], ms: Sequence[float]) -> dict[str, float]:
    """How far the table is from networks: those that it held out, and those of the fronts."""
    from vitnas.latency_lut.table import LatencyTable

    table = table or LatencyTable.read(path)
    said = table.latency_ms(space)(space.encode(archs))
    fidelity = table.header.fidelity
    return {
        "mape": 100 * fidelity.mape if fidelity is not None else float("nan"),
        "said_mape": 100 * float(np.abs(said / np.array(ms) - 1).mean()),
    }


def _gain(ours: Sequence[tuple[float, float, float]], theirs: Sequence[tuple[float, float, float]]) -> float:
    """Points between two fronts of (ms, validation, test) at latencies that both reach."""
    low = max(min(ms for ms, _, _ in front) for front in (ours, theirs))
    high = max(max(ms for ms, _, _ in front) for front in (ours, theirs))

    def best(front: Sequence[tuple[float, float, float]], most: float) -> float:
        return max((score, test) for ms, score, test in front if ms <= most)[1]

    levels = np.geomspace(low, high, LEVELS)
    levels[0] = low  # to the bit
    return float(100 * np.mean([best(ours, level) - best(theirs, level) for level in levels]))


def _flips(run: RunFolder, archs: Sequence[Arch], dataset: Dataset) -> float:
    """Share of choices that flip in half precision, over the archs that choose."""
    net, (x, _) = load_supernet(run), dataset.val.sample(16).all()
    found = [flips_in_half(net.extract(arch).eval(), x) for arch in archs if arch["reducer"] in ("keep", "merge")]
    counted = [flips for flips in found if flips is not None]
    return sum(f.num_flipped for f in counted) / max(1, sum(f.num_choices for f in counted))


def _show(part: str, curves: Mapping[str, Sequence[tuple[float, float, float]]]) -> None:
    rows = [
        (which, f"{ms:.3f}", f"{100 * score:.1f}", f"{100 * test:.1f}")
        for which, front in curves.items()
        for ms, score, test in sorted(front)
    ]
    frame.show(part, ("front", "ms", "validation %", "test %"), rows)


if __name__ == "__main__":
    frame.run(__doc__, measure, {"--only": {"choices": PARTS, "help": "this problem with this seed only"}})
