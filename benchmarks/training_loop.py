"""Is a training as fast as its steps?

`loop_ratio`: wall time of a real training of 400 steps over that of the bare steps of the same archs, at most 1.10. The training reads JPEG
files (of 64 pixels, or of 256 for 224), shifts and mirrors them, logs, judges the smallest, middle and largest arch on its way and in the end, and writes checkpoints; the bare
steps are forward and backward passes and the update, on images that lie normalised in memory. Both take two threads and
64 images a step of the smallest arch of `efficientformerv2` alone; `loop_ratio.64` and `loop_ratio.224` by image side, `loop_ratio` the larger
where both were measured at once.

The two are not interleaved step by step but run one after the other, ROUNDS times, and medians are compared.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import frame
import numpy as np
import torch
from evaluation_throughput import write_pictures
from torch.nn import functional as F

from vitnas.search_spaces import load_space
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.settings.augment import Augment
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.optimizer import make_optimizer
from vitnas.supernets.training.surroundings import keep_freed_blocks
from vitnas.supernets.training.train import start_run, train

SPACE = "efficientformerv2"
SIZES = {64: (400, 64), 224: (100, 256)}
"""Image side -> steps, and side of the files: at 224 pixels a step takes a dozen times as long, and so does all that is beside it."""
THREADS = 2
ROUNDS = 3


def measure(quick: bool, only: str | None = None) -> frame.Results:
    torch.set_num_threads(THREADS)
    results: dict[str, float] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        drawn = load_dataset(DataSettings("shapes", image_size=64))
        for size, (steps, side) in SIZES.items():
            if (quick and size > 64) or only not in (None, str(size)):
                continue
            pictures = Path(folder) / f"pictures-{size}"
            pictures.mkdir()
            write_pictures(drawn, pictures, 300 if quick else 2000, side)
            steps = 20 if quick else steps
            took: dict[str, list[float]] = {"training": [], "steps": []}
            for number in range(1 if quick else ROUNDS):
                took["training"].append(training_s(pictures, Path(folder) / f"{size}-{number}", size, steps))
                took["steps"].append(steps_s(pictures, size, steps))
            training, bare = (statistics.median(seconds) for seconds in took.values())
            results |= {f"loop_ratio.{size}": training / bare, f"images_per_s.{size}": 64 * steps / training}
            rows.append((size, steps, f"{training:.1f}", f"{bare:.1f}", f"{training / bare:.3f}"))
    frame.show("seconds", ("pixels", "steps", "training", "bare steps", "ratio"), rows)
    if only is None:
        results["loop_ratio"] = max(value for name, value in results.items() if name.startswith("loop_ratio."))
    return results


def settings_for(size: int, steps: int) -> TrainSettings:
    return TrainSettings(
        steps=steps,
        sampler="single",
        threads=THREADS,
        augment=Augment(flip=0.5, crop_padding=size // 8),
        torch_device="cpu",
    )


def training_s(pictures: Path, path: Path, size: int, steps: int) -> float:
    data = DataSettings(str(pictures), image_size=size)
    dataset = load_dataset(data)
    space = load_space(SPACE, dataset.task)
    run = start_run(path, space.alone(space.smallest()), data, settings_for(size, steps))
    start = time.perf_counter()
    train(run, progress=False)
    return time.perf_counter() - start


def steps_s(pictures: Path, size: int, steps: int) -> float:
    keep_freed_blocks()
    dataset = load_dataset(DataSettings(str(pictures), image_size=size))
    space = load_space(SPACE, dataset.task)
    alone = space.alone(space.smallest())
    net = Supernet(alone, 0).train()
    optimizer = make_optimizer(net, settings_for(size, steps))
    x, y = dataset.train.take(np.arange(64))
    arch = alone.largest()
    start = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(net(x, arch), y).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    return time.perf_counter() - start


if __name__ == "__main__":
    frame.run(__doc__, measure, {"--only": {"help": "one image side, 64 or 224"}})
