"""The trainings of supernet_quality: one small space, its images, the methods, and what each training came to."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from supernet_methods import BATCH, DEFAULT, METHODS, Method, Resorted

from vitnas.files import read_json, write_json
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Codes, SearchSpace, Task
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import Dataset, DataSettings, Pixels, load_dataset
from vitnas.supernets.evaluation import evaluate_arch
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.loop import TrainingLoop
from vitnas.supernets.training.processes.distributed import World
from vitnas.supernets.training.samplers import Lesson
from vitnas.supernets.training.surroundings import keep_freed_blocks

IMAGES = Path(__file__).parents[2] / "shared" / "data" / "images" / "cifar10_32x32_rgb_full_jpegpack.npz"
TASK = Task(image_size=16, in_channels=3, num_classes=10)


def small_space() -> SearchSpace:
    """Five tokens, so that a core learns from thousands of images a second."""
    return PlainViT(
        "quality",
        TASK,
        width=(24, 32, 48, 64),
        depth=(2, 3, 4, 5),
        heads=(2, 3, 4),
        mlp_ratio=(1.0, 2.0, 3.0, 4.0),
        patch=8,
        head_width=16,
        relative_reach=14,
    )


def spread_archs(space: SearchSpace, num: int) -> list[Arch]:
    """Archs in even steps of rank by multiply-accumulates, the ends included."""
    ends = space.encode([space.smallest(), space.largest()])
    codes, _ = _by_macs(space, np.concatenate([ends, space.genome.sample(2000, np.random.default_rng(0))]))
    return space.decode(codes[np.linspace(0, len(codes) - 1, num).round().astype(int)])


def band_archs(space: SearchSpace, num: int) -> list[Arch]:
    """Random archs whose multiply-accumulates lie within 2.5 % of the median on both sides."""
    codes, macs = _by_macs(space, space.genome.sample(20_000, np.random.default_rng(1)))
    near = codes[np.abs(macs / np.median(macs) - 1) <= 0.025]
    return space.decode(near[np.sort(np.random.default_rng(2).choice(len(near), num, replace=False))])


def macs_of(space: SearchSpace, archs: Sequence[Arch]) -> list[float]:
    """Multiply-accumulates of one image."""
    return [float(macs) for macs in PopulationCounter(space)(space.encode(archs)).macs]


def _by_macs(space: SearchSpace, codes: Codes) -> tuple[Codes, Any]:
    codes = np.unique(codes, axis=0)
    macs = PopulationCounter(space)(codes).macs
    order = np.argsort(macs, kind="stable")
    return codes[order], macs[order]


def images(work: Path) -> Dataset:
    """CIFAR-10 at half its size, in memory; the 10,000 images of the published test judge."""
    file = work / "cifar10-16px.npz"
    if not file.is_file():
        found = load_dataset(DataSettings(str(IMAGES), test_share=0.0))
        arrays: dict[str, Any] = {}
        for part in ("train", "val"):
            pixels, labels = getattr(found, part).pixels(np.arange(len(getattr(found, part))))
            arrays[f"x_{part}"] = torch.nn.functional.avg_pool2d(pixels.float(), 2).round().byte().numpy()
            arrays[f"y_{part}"] = labels.numpy()
        work.mkdir(parents=True, exist_ok=True)
        np.savez(file, **arrays)
    pack = dict(np.load(file))
    share = pack["x_train"] / np.float32(255)
    mean, std = (tuple(map(float, values)) for values in (share.mean(axis=(0, 2, 3)), share.std(axis=(0, 2, 3))))
    train, val = (Pixels.of(pack[f"x_{part}"], pack[f"y_{part}"], mean, std) for part in ("train", "val"))
    return Dataset("cifar10-16px", TASK, train, val, mean, std, tuple(map(str, range(10))))


class Runs:
    """Trainings that are done, by name: those that are committed, and those in a folder, where new ones go.

    Attributes:
        found: name -> what a training came to.
        deadline: seconds of `time.time` after which none begins.
    """

    def __init__(self, work: Path, committed: Path | None = None, deadline: float = math.inf) -> None:
        self.folder, self.deadline = work / "runs", deadline
        self.found: dict[str, Any] = {}
        if committed is not None and committed.is_file():
            self.found |= read_json(committed)["runs"]
        self.found |= {file.stem: read_json(file) for file in self.folder.glob("*.json")}

    def get(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """What a training came to, made now if it is not there yet; None if there is no time."""
        if name not in self.found and time.time() < self.deadline:
            start = time.time()
            self.found[name] = make()
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / f"{name}.json", self.found[name], seal=False)
            print(f"{time.strftime('%H:%M:%S')} {name} {time.time() - start:.0f} s", flush=True)
        return self.found.get(name)


def train(space: SearchSpace, dataset: Dataset, method: Method, steps: int, seed: int, judged: Sequence[Arch]) -> Any:
    """One training, and what these archs score on its weights."""
    keep_freed_blocks()
    settings = TrainSettings(
        **{
            "steps": steps,
            "batch_size": BATCH,
            "seed": seed,
            "threads": 1,
            "loader_threads": 1,
            "log_every": 10**9,
            "evaluate_every": 10**9,
            "checkpoint_every": 10**9,
            "loggers": (),
            **method.settings,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        run.__dict__["space"] = space  # it has no name by which a run could find it
        loop = TrainingLoop(run, settings, dataset, World())
        loop.net.__class__, loop.learner.__class__ = method.network, method.learner
        if method.sampler is not None:
            loop.sampler = method.sampler(space, seed, num_steps=steps)
        if isinstance(loop.learner, Resorted):
            loop.learner.images = dataset.train
        loop.landmarks = {}  # judged below
        watched = _Watched(loop)
        loop.finish(show=False)
    if method.after is not None:
        method.after(loop.net, dataset)
    with loop.average.in_place() if loop.average is not None else nullcontext():
        scores = {arch.id: evaluate_arch(loop.net, arch, dataset) for arch in judged}
    return {
        "accuracy": {name: round(100 * score.accuracy, 3) for name, score in scores.items()},
        "loss": {name: round(score.loss, 5) for name, score in scores.items()},
        **watched.costs(),
    }


class _Watched:
    """Counts what the lessons of a training cost: image passes, multiply-accumulates forward, processor seconds."""

    def __init__(self, loop: TrainingLoop) -> None:
        self.lessons: list[tuple[Arch, float]] = []
        self.cpu_s: list[float] = []
        self.space = loop.net.space
        plan = loop.sampler.plan

        def watched(step: int, rank: int = 0) -> tuple[Lesson, ...]:
            self.cpu_s.append(time.process_time())
            lessons = plan(step, rank)
            self.lessons += [(lesson.arch, loop.settings.batch_size / lesson.part[1]) for lesson in lessons]
            return lessons

        loop.sampler.plan = watched  # type: ignore[method-assign]

    def costs(self) -> dict[str, float]:
        archs, passes = zip(*self.lessons, strict=True)
        between = self.cpu_s[-1] - self.cpu_s[0]
        return {
            "passes": sum(passes),
            "gmacs": round(float(np.dot(macs_of(self.space, archs), passes)) / 1e9, 3),
            # From the first step to the beginning of the last, as if it took the mean.
            "cpu_s": round(between * len(self.cpu_s) / max(1, len(self.cpu_s) - 1), 3),
        }


def train_alone(
    space: SearchSpace, dataset: Dataset, arch: Arch, settings: Mapping[str, Any], steps: int, seed: int
) -> Any:
    """One network, with the initialisation of its own sizes: its space holds nothing else."""
    own = space.alone(arch)
    return train(own, dataset, Method({"sampler": "single", **settings}), steps, seed, [arch])


def pace(space: SearchSpace, dataset: Dataset, method: Method, rounds: int, steps: int) -> dict[str, float]:
    """Processor time of a step as a multiple of the default's: the median over short whole trainings of both in turns."""
    ratios = []
    for seed in range(rounds):
        ours, its = (train(space, dataset, one, steps, seed, [])["cpu_s"] for one in (METHODS[DEFAULT], method))
        ratios.append(its / ours)
    return {"ratio": round(float(np.median(ratios)), 4)}
