"""Is a subnet of an ordinary supernet better where what it lacks is compensated (`[search] compensate = true`)?

A supernet of space `autoformer-mini` is trained on Fashion-MNIST (on digits where its file is not there) as `vitnas train-supernet` does,
anew for each seed. Archs are cut out with and without compensation, and judged on the same test images:

spread  seven in even steps of rank by multiply-accumulates; the largest, which lacks nothing, is none of them
inside  four of the full width and depth that lack heads, hidden channels or both

Keys, in points on the test images, positive where compensation helps: gain_mean (over all archs and seeds), gain_small and gain_large (the
three smallest and the three largest of spread), gain_inside, gain_worst and gain_best (an arch, mean over seeds), gain_std (of gain_mean
from seed to seed); plain.small, plain.large, plain.inside (percent right without compensation).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import frame
import numpy as np
from problems.given import FILES, IMAGES
from supernet_runs import spread_archs

from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace, load_space
from vitnas.supernets.data import DataSettings, dataset_of, load_dataset
from vitnas.supernets.evaluation import evaluate_together
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.alone import NEVER
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet
from vitnas.supernets.weights.measured_moments import measure_once

SEEDS, STEPS, BATCH, TEST_IMAGES = 2, 1000, 64, 3000
SPREAD = 7


def measure(quick: bool) -> frame.Results:
    file = IMAGES / FILES["fashion"]
    data = (
        DataSettings(str(file), image_size=20, val_share=0.02)
        if file.is_file() and not quick
        else DataSettings("digits")
    )
    seeds, steps = (1, 40) if quick else (SEEDS, STEPS)
    space = load_space("autoformer-mini", load_dataset(data).task)
    archs = [*spread_archs(space, SPREAD + 1)[:-1], *inside(space)]
    with tempfile.TemporaryDirectory() as folder:
        runs = [trained(Path(folder) / f"{seed}", space, data, steps, seed) for seed in range(seeds)]
        plain, compensated = 100 * np.array([both(run, archs) for run in runs]).swapaxes(0, 1)
    gains = compensated - plain
    frame.show(
        "percent right, points gained, and their deviation from seed to seed",
        ("arch", "plain", "gain", "std"),
        [
            (f"{dict(arch.genes)}", f"{before:.2f}", f"{gain:+.2f}", f"{std:.2f}")
            for arch, before, gain, std in zip(archs, plain.mean(0), gains.mean(0), gains.std(0), strict=True)
        ],
    )
    groups = {"small": slice(0, 3), "large": slice(SPREAD - 3, SPREAD), "inside": slice(SPREAD, None)}
    return {
        "gain_mean": gains.mean(),
        **{f"gain_{name}": gains[:, group].mean() for name, group in groups.items()},
        "gain_worst": gains.mean(0).min(),
        "gain_best": gains.mean(0).max(),
        "gain_std": gains.mean(1).std(),
        **{f"plain.{name}": plain[:, group].mean() for name, group in groups.items()},
    }


def inside(space: SearchSpace) -> list[Arch]:
    """Archs of the full width and depth, with fewer heads, fewer hidden channels, and fewer of both."""
    depth, width = space.largest()["depth"], space.largest()["width"]
    assert isinstance(depth, int)
    return [
        space.arch(width=width, depth=depth, heads=(heads,) * depth, mlp_ratio=(ratio,) * depth)
        for heads, ratio in ((3, 4.0), (4, 3.0), (4, 2.0), (2, 2.0))
    ]


def trained(path: Path, space: SearchSpace, data: DataSettings, steps: int, seed: int) -> RunFolder:
    settings = TrainSettings(
        steps=steps, batch_size=BATCH, seed=seed, threads=1, evaluate_every=NEVER, checkpoint_every=NEVER, loggers=()
    )
    run = start_run(path, space, data, settings)
    train(run, progress=False)
    return run


def both(run: RunFolder, archs: list[Arch]) -> list[list[float]]:
    """The accuracy of archs on test images as they are cut out, and compensated."""
    nets, test = [load_supernet(run)], dataset_of(run).test
    assert test is not None
    measure_once(run, 0, print)
    nets.append(load_supernet(run))
    images = test.sample(TEST_IMAGES)
    return [[one.accuracy for one in evaluate_together([net.extract(arch) for arch in archs], images)] for net in nets]


if __name__ == "__main__":
    frame.run(__doc__, measure)
