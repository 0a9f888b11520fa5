"""What do the samplers give: how good are subnets, and do they rank as they do when trained alone?

One small space of plain vision transformers, Fashion-MNIST and CIFAR-10, three seeds. Every method sees the same
number of images; `passes` says how many times an arch ran forward and backward on one, for methods that train
several archs on every batch pay more for it. Of 64 archs spread over the space the third with the fewest
multiply-accumulates is "small", the third with the most "large". Twelve of them are trained alone, by the same recipe
for as many images as the supernet saw. Every image is seen once or twice, so nothing is augmented.

Keys: DATA.METHOD.acc_small, acc_mid, acc_large (percent, means over archs and seeds), spread_small ... (deviation over
the seeds), standalone_gap (points that an arch trained alone is better), kendall (inherited against alone), passes.

It takes hours on two cores; finished jobs are kept beside the results (see --help of the frame) and not done again.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import frame
import numpy as np
import torch
from scipy.stats import kendalltau

from vitnas.files import write_json
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace, Task
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import Dataset, DataSettings, Pixels, load_dataset
from vitnas.supernets.evaluation import evaluate_arch
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.loop import TrainingLoop
from vitnas.supernets.training.processes.distributed import World
from vitnas.supernets.training.samplers import Lesson
from vitnas.supernets.training.samplers.single import Single

IMAGES = Path(__file__).parents[2] / "shared" / "data" / "images"
FILES = {"fashion": "fashion_mnist_28x28_gray.npz", "cifar10": "cifar10_32x32_rgb_full_jpegpack.npz"}
AT_FIRST = {"label_steps": 300}
"""The steps in which pupils learn from labels too."""
METHODS: dict[str, dict[str, Any]] = {
    "uniform": {"sampler": "uniform"},
    "sandwich": {"sampler": "sandwich", "sampler_options": AT_FIRST},
    "complexity": {"sampler": "complexity", "sampler_options": AT_FIRST},
    "performance": {"sampler": "performance", "sampler_options": AT_FIRST},
    "multi": {"sampler": "multi"},
}
SEEDS = (0, 1, 2)
NUM_ARCHS, NUM_ALONE = 64, 12
WORK = Path(os.environ.get("VITNAS_BENCHMARK_WORK", Path(tempfile.gettempdir()) / "vitnas-supernet-quality"))


def small_space(task: Task) -> SearchSpace:
    """Sixteen tokens, so that a core learns from a thousand images a second."""
    return PlainViT(
        "quality",
        task,
        width=(24, 32, 48, 64),
        depth=(2, 3, 4, 5),
        heads=(2, 3, 4),
        mlp_ratio=(1.0, 2.0, 3.0, 4.0),
        patch=task.image_size // 4,
        head_width=16,
        relative_reach=14,
        pool="mean",
    )


def measure(quick: bool) -> dict[str, float]:
    steps, seeds = (8, SEEDS[:1]) if quick else (int(os.environ.get("VITNAS_QUALITY_STEPS", "1200")), SEEDS)
    jobs = [(data, method, seed, steps) for seed in seeds for data in FILES for method in METHODS] + [
        (data, f"alone-{i}", 0, steps) for i in range(2 if quick else NUM_ALONE) for data in FILES
    ]
    missing = [data for data in FILES if not (IMAGES / FILES[data]).is_file()]
    if missing:
        raise SystemExit(f"needs {[str(IMAGES / FILES[data]) for data in missing]}")
    with ProcessPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        found = {job[:3]: result for job, result in zip(jobs, pool.map(_job, jobs), strict=True)}
    results: dict[str, float] = {}
    for data in FILES:
        alone = {int(m.partition("-")[2]): r["accuracy"][0] for (d, m, _), r in found.items() if d == data and "-" in m}
        results |= {f"{data}.alone.acc_{name}": v for name, v in _thirds([alone[i] for i in sorted(alone)]).items()}
        for method in METHODS:
            runs = [found[data, method, seed] for seed in seeds]
            results |= {f"{data}.{method}.{key}": value for key, value in _summary(runs, alone).items()}
    rows = [
        (f"{data} {method}", *(f"{results[f'{data}.{method}.{key}']:.2f}" for key in KEYS))
        for data in FILES
        for method in METHODS
    ]
    frame.show("samplers", ("data and method", *KEYS), rows)
    return {**results, "images_seen": steps * 64}


KEYS = ("acc_small", "acc_mid", "acc_large", "standalone_gap", "kendall", "passes")


def _summary(runs: Sequence[dict[str, Any]], alone: dict[int, float]) -> dict[str, float]:
    accuracy = np.array([run["accuracy"] for run in runs])
    picked = list(_picked(accuracy.shape[1], NUM_ALONE))
    inherited = accuracy[:, [picked[i] for i in sorted(alone)]]
    own = np.array([alone[i] for i in sorted(alone)])
    thirds = [_thirds(list(run)) for run in accuracy]
    spread = {f"spread_{name}": float(np.std([t[name] for t in thirds])) for name in thirds[0]}
    means = {f"acc_{name}": float(np.mean([t[name] for t in thirds])) for name in thirds[0]}
    return {
        **means,
        **spread,
        "standalone_gap": float((own - inherited).mean()),
        "kendall": float(np.mean([kendalltau(run, own).statistic for run in inherited])),
        "passes": float(np.mean([run["passes"] for run in runs])),
    }


def _thirds(accuracies: list[float]) -> dict[str, float]:
    """Of archs in the order of their multiply-accumulates."""
    parts = np.array_split(np.array(accuracies), 3)
    return {name: float(part.mean()) for name, part in zip(("small", "mid", "large"), parts, strict=True)}


def _picked(num_archs: int, num_alone: int) -> Iterator[int]:
    """Which of the archs are trained alone as well."""
    yield from np.linspace(0, num_archs - 1, num_alone).round().astype(int).tolist()


def _job(job: tuple[str, str, int, int]) -> dict[str, Any]:
    """One training and its evaluations; kept on disk, so that an interrupted benchmark goes on."""
    data, method, seed, steps = job
    kept = WORK / f"{data}-{method}-{seed}-{steps}.json"
    if kept.is_file():
        return dict(json.loads(kept.read_text()))
    dataset = _dataset(data)
    space = small_space(dataset.task)
    archs = spread_archs(space)
    settings = TrainSettings(
        steps=steps,
        batch_size=64,
        seed=seed,
        threads=1,
        loader_threads=1,
        log_every=10**9,
        evaluate_every=10**9,
        checkpoint_every=10**9,
        tensorboard=False,
        **METHODS.get(method, {"sampler": "uniform"}),
    )
    wanted = archs
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        run.__dict__["space"] = space  # it has no name by which a run could find it
        loop = TrainingLoop(run, settings, dataset, World())
        if method.startswith("alone-"):
            i = int(method.partition("-")[2])
            wanted = [archs[list(_picked(len(archs), NUM_ALONE))[i]]]
            loop.sampler = alone = Single(space, seed)
            alone.arch = wanted[0]
        counting = _Passes(loop)
        loop.finish(show=False)
    result = {
        "accuracy": [100 * evaluate_arch(loop.net, arch, dataset).accuracy for arch in wanted],
        "passes": counting.passes,
    }
    WORK.mkdir(parents=True, exist_ok=True)
    write_json(kept, result)
    return result


class _Passes:
    """Counts how many images archs were trained on."""

    def __init__(self, loop: TrainingLoop) -> None:
        self.passes = 0.0
        plan = loop.sampler.plan

        def counted(step: int, rank: int = 0) -> tuple[Lesson, ...]:
            lessons = plan(step, rank)
            self.passes += sum(loop.settings.batch_size / lesson.part[1] for lesson in lessons)
            return lessons

        loop.sampler.plan = counted  # type: ignore[method-assign]


def _dataset(data: str) -> Dataset:
    """In memory, judged on the first 2,000 of the published test, which lies in no order of classes."""
    found = load_dataset(DataSettings(str(IMAGES / FILES[data]), test_share=0.0))
    train, val = (
        Pixels.of(pixels.numpy(), labels.numpy(), found.mean, found.std)
        for pixels, labels in (
            found.train.pixels(np.arange(len(found.train))),
            found.val.pixels(np.arange(2000)),
        )
    )
    return replace(found, train=train, val=val)


def spread_archs(space: SearchSpace) -> list[Arch]:
    """Archs in even steps of rank by multiply-accumulates, the ends included."""
    ends = space.encode([space.smallest(), space.largest()])
    codes = np.unique(np.concatenate([ends, space.genome.sample(2000, np.random.default_rng(0))]), axis=0)
    codes = codes[np.argsort(PopulationCounter(space)(codes).macs, kind="stable")]
    return space.decode(codes[np.linspace(0, len(codes) - 1, NUM_ARCHS).round().astype(int)])


if __name__ == "__main__":
    frame.run(__doc__, measure)
