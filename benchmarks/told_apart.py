"""Do the errors of accuracies hold on other images, and what does the default pick give up?

A supernet of autoformer-mini learns from 600 of the digits; 60 archs, evenly over MACs, are judged on the other 1,197. In
each of 200 draws, 359 of these images choose and the other 838, which nobody has seen, tell what was chosen.

Keys: narrower, the error of a difference of two archs by the images on which they differ, over that by the number of
images alone; covered_paired and covered_unpaired, the share of differences that the interval of 90 % of either kind
holds on the other images; points of a front of accuracy and MACs; has_knee, the share of fronts with one;
best_gives_up and most_accurate_gives_up, points of accuracy on the unseen images against the arch that is best there;
best_saves, the share of MACs that the best arch saves against the most accurate; flattery, by how many points the
highest accuracy is higher than on unseen images; groups_s, seconds to group a front of 5,000 points.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from frame import run, show
from numpy.typing import NDArray

from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.answers import Answers
from vitnas.nas.pareto.apart import WIDTH, Apart
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace, load_space
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import Dataset, Pixels, load_dataset
from vitnas.supernets.evaluation import evaluate_arch
from vitnas.supernets.goals.tally import EvaluationResult
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.loop import TrainingLoop
from vitnas.supernets.training.processes.distributed import World

SPACE = load_space("autoformer-mini")
OBJECTIVES = (Objective.named("accuracy"), Objective.named("macs"))
TRAINED, CHOOSING = 600, 359

Mask = NDArray[np.bool_]


def measure(quick: bool) -> dict[str, float]:
    steps, num_archs, draws = (80, 12, 20) if quick else (1500, 60, 200)
    dataset = _dataset()
    archs = _spread_archs(SPACE, num_archs)
    right = _judged(dataset, archs, steps)
    macs = PopulationCounter(SPACE)(SPACE.encode(archs)).macs
    rng = np.random.default_rng(0)
    found = [_draw(archs, macs, right, rng.permutation(right.shape[1])) for _ in range(draws)]
    results = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
    accuracies = 100 * right.mean(axis=1)
    show("archs", ("accuracy", "value"), [(n, f"{f(accuracies):.1f}") for n, f in (("least", min), ("most", max))])
    return {**results, "groups_s": _groups_s()}


def _draw(archs: Sequence[Arch], macs: NDArray[np.int64], right: Mask, images: NDArray[np.int64]) -> dict[str, float]:
    """What some images say, and what the others say of that."""
    seen, unseen = right[:, images[:CHOOSING]], right[:, images[CHOOSING:]]
    paired, alone = (_errors(seen, pair) for pair in (True, False))
    wide, wide_alone = (_errors(unseen, pair) for pair in (True, False))
    gap = np.abs(_differences(seen) - _differences(unseen))
    points = [
        Point(
            arch,
            {"accuracy": float(answers.mean()), "macs": float(cost)},
            {"accuracy": "measured", "macs": "counted"},
            {"accuracy": EvaluationResult(float(answers.mean()), 0.0, CHOOSING, answers).accuracy_std},
            str(Answers.of(answers)),
        )
        for arch, answers, cost in zip(archs, seen, macs, strict=True)
    ]
    front = ParetoFront.of(SPACE, OBJECTIVES, points)
    truth = dict(zip(archs, 100 * unseen.mean(axis=1), strict=True))
    best, top = front.best(), front.most_accurate()
    highest = max(truth.values())
    return {
        "narrower": float(np.median(paired / alone)),
        "covered_paired": float((gap <= WIDTH * np.hypot(paired, wide)).mean()),
        "covered_unpaired": float((gap <= WIDTH * np.hypot(alone, wide_alone)).mean()),
        "points": len(front.points),
        "has_knee": front.knee() is not None,
        "best_gives_up": highest - truth[best.arch],
        "most_accurate_gives_up": highest - truth[top.arch],
        "best_saves": 1 - best.objectives["macs"] / top.objectives["macs"],
        "flattery": 100 * top.objectives["accuracy"] - truth[top.arch],
    }


def _differences(right: Mask) -> NDArray[np.float64]:
    means = right.mean(axis=1)
    rows, columns = np.triu_indices(len(right), 1)
    found: NDArray[np.float64] = means[columns] - means[rows]
    return found


def _errors(right: Mask, paired: bool) -> NDArray[np.float64]:
    """Standard deviations of the differences of all pairs, by the same images or by their number alone."""
    n = right.shape[1]
    stds = np.array([[EvaluationResult(float(one.mean()), 0.0, n, one).accuracy_std] for one in right])
    answers = [Answers.of(one) for one in right] if paired else [None] * len(right)
    apart = Apart(-right.mean(axis=1)[:, None], stds, np.zeros(1), answers, 0)
    return np.concatenate([apart.error(i, np.arange(i + 1, len(right)), 0) for i in range(len(right) - 1)])


def _judged(dataset: Dataset, archs: Sequence[Arch], steps: int) -> Mask:
    """``(archs, images)`` whether each named each image right."""
    quiet = 10**9
    settings = TrainSettings(
        steps=steps, batch_size=64, threads=1, loader_threads=1, log_every=quiet, evaluate_every=quiet,
        checkpoint_every=quiet, loggers=(), sampler="sandwich", sampler_options={"label_steps": 300},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        opened = RunFolder(Path(folder))
        opened.__dict__["space"] = SPACE  # the folder has no settings to read it from
        loop = TrainingLoop(opened, settings, dataset, World())
        loop.finish(show=False)
    return np.stack([evaluate_arch(loop.net, arch, dataset).right for arch in archs])


def _dataset() -> Dataset:
    """The digits, of which few are learned from and many are left to judge by."""
    digits = load_dataset("digits")
    parts = [images.pixels(np.arange(len(images))) for images in (digits.train, digits.val)]
    x, y = (np.concatenate([part[i].numpy() for part in parts]) for i in (0, 1))
    order = np.random.default_rng(0).permutation(len(y))
    train, val = (Pixels.of(x[rows], y[rows], digits.mean, digits.std) for rows in (order[:TRAINED], order[TRAINED:]))
    return replace(digits, train=train, val=val)


def _spread_archs(space: SearchSpace, n: int) -> list[Arch]:
    codes = np.unique(space.genome.sample(2000, np.random.default_rng(0)), axis=0)
    codes = codes[np.argsort(PopulationCounter(space)(codes).macs, kind="stable")]
    return space.decode(codes[np.linspace(0, len(codes) - 1, n).round().astype(int)])


def _groups_s(n: int = 5000) -> float:
    """Of a front whose points can all be told apart, which takes the longest."""
    rng = np.random.default_rng(0)
    values = np.stack([-np.sort(rng.random(n)), np.sort(rng.random(n))], axis=1)
    answers = [Answers.of(rng.random(1024) < -value) for value in values[:, 0]]
    apart = Apart(values, np.full((n, 2), 1e-9), np.zeros(2), answers, 0)
    start = time.perf_counter()
    groups = list(apart.groups(np.arange(n)[::-1]))
    assert sum(map(len, groups)) == n
    return time.perf_counter() - start


if __name__ == "__main__":
    run(__doc__, measure)
