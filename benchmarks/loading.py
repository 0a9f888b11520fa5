"""Do processes read images quicker than threads?

A folder of JPEG files of 256 pixels, decoded to 224 in batches of 64 by two threads of this process, or by two processes
(`[train] loader`): images_per_s.NAME from the first batch on, the median of interleaved rounds, and ratio, of processes to threads. beside.NAME is the same while
this process computes in Python without a pause, as a training that waits for nothing may. start_s: until the first batch of the processes.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import frame
import numpy as np
import torch
from PIL import Image

from vitnas.supernets.data import DataSettings, Images, Loader, load_dataset
from vitnas.supernets.data.batches import Batches

SIDE, SIZE, BATCH, READERS = 256, 224, 64, 2
WAYS = {"threads": False, "processes": True}


def measure(quick: bool) -> frame.Results:
    torch.set_num_threads(1)
    images, rounds = (128, 1) if quick else (768, 5)
    seconds: dict[str, list[float]] = {f"{place}.{way}": [] for place in ("images_per_s", "beside") for way in WAYS}
    starts = []
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), images)
        train = load_dataset(DataSettings(folder, image_size=SIZE, val_share=0.1, cache="off")).train
        for _ in range(rounds):
            for way, apart in WAYS.items():
                start_s, each_s = read(train, apart)
                seconds[f"images_per_s.{way}"].append(each_s)
                starts += [start_s] if apart else []
                with computing():
                    seconds[f"beside.{way}"].append(read(train, apart)[1])
    found = {name: 1 / statistics.median(each) for name, each in seconds.items()}
    ratios = {
        "ratio": found["images_per_s.processes"] / found["images_per_s.threads"],
        "beside.ratio": found["beside.processes"] / found["beside.threads"],
    }
    return {**found, **ratios, "start_s": statistics.median(starts)}


def read(train: Images, apart: bool) -> tuple[float, float]:
    """Seconds until the first batch, and then for each image of an epoch."""
    batches = Batches(len(train), min(BATCH, len(train) // 2), 0)
    begun = time.perf_counter()
    taken = iter(Loader(train, batches, 0, batches.per_epoch, threads=READERS, processes=apart))
    next(taken)
    first = time.perf_counter()
    rest = sum(len(labels) for _, labels, _ in taken)
    return first - begun, (time.perf_counter() - first) / rest


@contextmanager
def computing() -> Iterator[None]:
    """Python at work in another thread meanwhile."""
    ended = threading.Event()

    def work() -> None:
        total = 0
        while not ended.is_set():
            total += sum(range(1000))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def write(folder: Path, number: int) -> None:
    """Soft shapes with grain, in two classes."""
    for i in range(number):
        rng = np.random.default_rng(i)
        shapes = Image.fromarray(rng.integers(0, 256, (SIDE // 16, SIDE // 16, 3), dtype=np.uint8))
        x = np.asarray(shapes.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) + rng.normal(0, 6, (SIDE, SIDE, 3))
        file = folder / "ab"[i % 2] / f"{i:05}.jpg"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(x.clip(0, 255).astype(np.uint8)).save(file, quality=90)


if __name__ == "__main__":
    frame.run(__doc__, measure)
