"""What did it cost to look at the first few images of a data set that lies class by class?

The smallest EfficientFormerV2 is trained once, at 64 px for 500 steps on 6,000 images of CIFAR-10. The same 6,000 images, and
2,000 others that judge, then lie twice on the disk: class by class, as an image folder lists them, and shuffled. Batch norms
are measured on either and accuracy is taken.

- before: the rule that was. Batch norms on the first 1,024 training images, accuracy on the first 1,024 validation images.
- after: the rule that is, by the package itself. Batch norms on a stratified sample, each batch mixed in class; accuracy on
  all validation images. Eight seeds of the sample, since its 1,024 images are others in either order.

Keys, in points: before.sorted, before.shuffled and gap_before between them; after.sorted, after.shuffled (means over the
seeds) and gap_after between them; gap_after_worst is the largest between any two of the sixteen, spread_after the standard
deviation over the seeds; gap_of_statistics is what the first 1,024 training images cost alone, judged on all images.
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import frame
import numpy as np
import torch
from torch import nn

from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, load_space
from vitnas.supernets.data import Dataset, DataSettings, Images, load_dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.recalibration import batch_norms, recalibrate
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.loop import TrainingLoop
from vitnas.supernets.training.processes.distributed import World

IMAGES = Path(__file__).parents[2] / "shared" / "data" / "images" / "cifar10_32x32_rgb_full_jpegpack.npz"
IMAGE_SIZE, BATCH = 64, 64
FIRST = 1024
"""The prefix that was looked at."""


def measure(quick: bool) -> dict[str, float]:
    steps, num_train, num_val, seeds = (12, 1200, 500, 2) if quick else (500, 6000, 2000, 8)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        by_class, mixed = _laid_out(Path(folder), num_train, num_val)
        network = _trained(mixed, steps, Path(folder) / "run")
    few = slice(0, FIRST if not quick else 256)
    before = [_judged(network, _prefix(data.train, few), _prefix(data.val, few)) for data in (by_class, mixed)]
    statistics = [_judged(network, _prefix(data.train, few), data.val) for data in (by_class, mixed)]
    after = np.array(
        [[_accuracy(network, data, seed) for data in (by_class, mixed)] for seed in range(seeds)], dtype=np.float64
    )
    frame.show(
        "accuracy in percent",
        ("rule", "class by class", "shuffled"),
        [
            ("the first images", *(f"{value:.2f}" for value in before)),
            ("the first for statistics, all to judge", *(f"{value:.2f}" for value in statistics)),
            *((f"as it is, seed {seed}", *(f"{value:.2f}" for value in row)) for seed, row in enumerate(after)),
        ],
    )
    means = after.mean(axis=0)
    return {
        "before.sorted": before[0],
        "before.shuffled": before[1],
        "gap_before": abs(before[1] - before[0]),
        "gap_of_statistics": abs(statistics[1] - statistics[0]),
        "after.sorted": means[0],
        "after.shuffled": means[1],
        "gap_after": abs(means[1] - means[0]),
        "gap_after_worst": float(after.max() - after.min()),
        "spread_after": float(after.std(axis=0, ddof=1).mean()),
    }


def _laid_out(folder: Path, num_train: int, num_val: int) -> tuple[Dataset, Dataset]:
    """The same images in either order, read back as a run reads them: with the statistics of its first reading."""
    found = load_dataset(DataSettings(str(IMAGES), test_share=0.0))
    arrays: dict[str, Any] = {}
    for name, images in (("train", found.train.sample(num_train)), ("val", found.val.sample(num_val))):
        x, y = images.pixels(np.arange(len(images)))
        order = np.argsort(y.numpy(), kind="stable")
        arrays[f"x_{name}"], arrays[f"y_{name}"] = x.numpy()[order], y.numpy()[order]
    np.savez(folder / "sorted.npz", **arrays)
    for name in ("train", "val"):
        order = np.random.default_rng(0).permutation(len(arrays[f"y_{name}"]))
        arrays |= {key: arrays[key][order] for key in (f"x_{name}", f"y_{name}")}
    np.savez(folder / "shuffled.npz", **arrays)
    mixed = DataSettings(str(folder / "shuffled.npz"), image_size=IMAGE_SIZE, test_share=0.0)
    dataset = load_dataset(mixed)
    told = replace(mixed, name=str(folder / "sorted.npz"), mean=dataset.mean, std=dataset.std)
    return load_dataset(told), dataset


def _trained(dataset: Dataset, steps: int, folder: Path) -> nn.Module:
    space = _smallest_alone(load_space("efficientformerv2", dataset.task))
    settings = TrainSettings(
        steps=steps,
        batch_size=BATCH,
        sampler="single",
        threads=1,
        loader_threads=1,
        log_every=10**9,
        evaluate_every=10**9,
        checkpoint_every=10**9,
        loggers=(),
    )
    folder.mkdir()
    run = RunFolder(folder)
    run.__dict__["space"] = space
    loop = TrainingLoop(run, settings, dataset, World())
    loop.finish(show=False)
    return loop.net.extract(space.smallest()).eval()


def _smallest_alone(space: SearchSpace) -> SearchSpace:
    """The space with no other arch than its smallest."""
    only = {}
    for name, value in dict(space.smallest().genes).items():
        values = value if isinstance(value, tuple) else (value,)
        only[name] = tuple(dict.fromkeys(one for one in values if one is not None))
    return space.restrict(**{name: kept for name, kept in only.items() if kept})


def _prefix(images: Images, few: slice) -> Images:
    return images.only(np.arange(len(images))[few])


def _judged(network: nn.Module, train: Images, val: Images) -> float:
    """Percent, by the rule that was: batch norms on the training images in their order."""
    network = copy.deepcopy(network)
    for norm in batch_norms(network):
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for x, _ in train.batches(BATCH):
            network(x)
    return 100 * evaluate(network, val).accuracy


def _accuracy(network: nn.Module, data: Dataset, seed: int) -> float:
    """Percent, by the rule that is."""
    network = copy.deepcopy(network)
    recalibrate(network, data.train, seed=seed)
    return 100 * evaluate(network, data.val).accuracy


if __name__ == "__main__":
    frame.run(__doc__, measure)
