"""Do sizes of real use work on a processor?

Images: `files` real JPEG files of 120x90 pixels in 1,000 classes, `shards` tar files of 100 of them each. A process of its own
opens them with `load_dataset` and reads the first batch of 64 at 224 pixels; imports are not counted. Cold: vitnas remembers nothing
(the files themselves were just written, so the system has them in memory). Warm: the same once more.

start_cold_s, start_warm_s    wall seconds of the folder
memory_gb                     peak of the larger of the two processes
shards_start_s, shards_warm_s wall seconds of the tar files; shards_memory_gb the peak
*_cpu_s                       processor seconds of the same, which other work on the machine disturbs less

Large images: a PNG file and a JPEG file of 13,000x13,000 pixels among small ones, all read by four threads.

large_s, large_memory_gb      until each was decoded or refused, and by how much the peak of the process grew
large_refused                 how many of the two; what vitnas said is printed

A space: 200 genes of two values that change a transformer of 100 blocks, 1.6e60 archs.

space_genes, space_log10      how large it is
space_build_s                 until it is lowered and counted, nothing known beforehand
sample_s, cost_s              10,000 archs drawn and encoded; their parameters, MACs, weights and activations
search_s                      nsga2 over 1,000 evaluations that cost nothing, at most half the MACs
"""

from __future__ import annotations

import io
import math
import multiprocessing
import os
import resource
import sys
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import frame
import numpy as np
from PIL import Image

from vitnas.search_spaces import Arch, Gene, LayerSpec, SearchSpace, Site, Task

FILES, CLASSES, SHARDS, IN_SHARD = 200_000, 1_000, 1_000, 100
BATCH = 64
STARTS = (
    ("start_cold", "folder", "memory_gb"),
    ("shards_start", "shards", "shards_memory_gb"),
    ("start_warm", "folder", "memory_gb"),
    ("shards_warm", "shards", "shards_memory_gb"),
)
LARGE = 13_000
BLOCKS = 100
ARCHS, EVALUATIONS = 10_000, 1_000


def measure(quick: bool) -> frame.Results:
    files, classes, shards = (2_000, 100, 20) if quick else (FILES, CLASSES, SHARDS)
    results: dict[str, float] = {"files": files, "shards": shards}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        os.environ["VITNAS_CACHE"] = str(place / "cache")
        write_files(place / "folder", files, classes)
        write_shards(place / "shards", shards, classes)
        rows = []
        for key, where, peak in STARTS:
            wall, cpu, gb = alone(start, place / where)
            rows.append((key, f"{wall:.2f}", f"{cpu:.2f}", f"{gb:.2f}"))
            results |= {f"{key}_s": wall, f"{key}_cpu_s": cpu, peak: max(gb, results.get(peak, 0.0))}
        frame.show("from load_dataset to the first batch", ("start", "wall s", "CPU s", "peak GB"), rows)
        write_files(place / "large", 20, 2)
        write_large(place / "large" / "class0000", 9_000 if quick else LARGE)
        results |= alone(read_large, place / "large")
        results |= alone(space_s, place / "search", quick)
    return results


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """The answer of a fresh process, whose peak of memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def peak_gb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


# -- images ----------------------------------------------------------------------------------


def start(place: Path) -> tuple[float, float, float]:
    """Wall and processor seconds from a path to the first batch, and the peak of memory."""
    from vitnas.supernets.data import DataSettings, Loader, load_dataset
    from vitnas.supernets.data.batches import Batches

    wall, cpu = time.perf_counter(), time.process_time()
    dataset = load_dataset(DataSettings(str(place), image_size=224))
    for pixels, _, _ in Loader(dataset.train, Batches(len(dataset.train), BATCH, 0), 0, 1):
        assert pixels.shape == (BATCH, 3, 224, 224)
    return time.perf_counter() - wall, time.process_time() - cpu, peak_gb()


def read_large(place: Path) -> dict[str, float]:
    """Every image once, and what was said of those that were refused."""
    from vitnas.supernets.data import DataSettings, Images, load_dataset

    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    dataset = load_dataset(DataSettings(str(place), image_size=224, mean=(0.5,) * 3, std=(0.5,) * 3))
    before, begun = peak_gb(), time.perf_counter()

    def read(task: tuple[Images, int]) -> object:
        images, position = task
        return images.pixels(np.array([position]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, [(part, i) for part in (dataset.train, dataset.val) for i in range(len(part))]))
    print(dataset.damage(), flush=True)
    return {
        "large_s": time.perf_counter() - begun,
        "large_memory_gb": peak_gb() - before,
        "large_refused": len(dataset.damaged),
    }


def jpeg(number: int, side: tuple[int, int] = (120, 90)) -> bytes:
    rng = np.random.default_rng(number)
    small = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize(side, Image.Resampling.BICUBIC).save(file, "jpeg", quality=85)
    return file.getvalue()


def write_files(place: Path, files: int, classes: int) -> None:
    """Real files, of which some hundred have the same content, in a folder a class."""
    each = files // classes
    contents = [jpeg(i) for i in range(min(each, 200))]
    for label in range(classes):
        folder = place / f"class{label:04}"
        folder.mkdir(parents=True)
        for i in range(each):
            (folder / f"{i:06}.jpg").write_bytes(contents[i % len(contents)])


def write_shards(place: Path, shards: int, classes: int) -> None:
    """Tar files of samples NUMBER.jpg with NUMBER.cls, in no order of the classes."""
    place.mkdir()
    contents = [jpeg(i) for i in range(IN_SHARD)]
    for shard in range(shards):
        with tarfile.open(place / f"part-{shard:04}.tar", "w") as tar:
            for i in range(IN_SHARD):
                number = shard * IN_SHARD + i
                for name, content in (
                    (f"{number:08}.jpg", contents[i]),
                    (f"{number:08}.cls", b"%d" % (number % classes)),
                ):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def write_large(folder: Path, side: int) -> None:
    columns = (np.arange(side) // 60).astype(np.uint8)
    image = Image.fromarray(np.stack(np.broadcast_arrays(columns[None], columns[:, None], np.uint8(90)), axis=2))
    image.save(folder / "large.png", compress_level=1)
    image.save(folder / "large.jpg", quality=85)


# -- a space ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Deep(SearchSpace):
    """A transformer of many blocks, each of which has its own heads and its own width inside."""

    def genes(self) -> Sequence[Gene]:
        return tuple(gene for i in range(BLOCKS) for gene in (Gene(f"heads{i}", (2, 3)), Gene(f"hidden{i}", (64, 128))))

    def sites(self) -> Sequence[Site]:
        shape = (17, 48)

        def stem() -> LayerSpec:
            return LayerSpec.of("patch_embedding", (1, 8, 8), shape, patch=2)

        def attention(heads: int) -> LayerSpec:
            return LayerSpec.of("attention", shape, shape, heads=heads, head_width=16, reach=0)

        def feed_forward(hidden: int) -> LayerSpec:
            return LayerSpec.of("feed_forward", shape, shape, hidden=hidden)

        def head() -> LayerSpec:
            return LayerSpec.of("classifier", shape, (10,), pool="mean")

        blocks = [
            site
            for i in range(BLOCKS)
            for site in (
                Site(f"block{i}_attention", (f"heads{i}",), attention),
                Site(f"block{i}_ffn", (f"hidden{i}",), feed_forward),
            )
        ]
        return [Site("stem", (), stem), *blocks, Site("head", (), head)]


def accuracy(arch: Arch) -> dict[str, float]:
    return {"accuracy": int(arch.id, 16) / 16**12}


def space_s(folder: Path, quick: bool) -> dict[str, float]:
    from vitnas.nas.objectives import objectives_named
    from vitnas.nas.problem import Problem
    from vitnas.nas.search import search
    from vitnas.nas.settings import SearchSettings
    from vitnas.supernets.counting.population import PopulationCounter

    begun = time.perf_counter()
    space = Deep("benchmark-deep", Task(image_size=8, num_classes=10, in_channels=1))
    counter = PopulationCounter(space)
    built = time.perf_counter() - begun
    codes = space.genome.sample(ARCHS, np.random.default_rng(0))
    rounds = 2 if quick else 9
    sample_s, cost_s = frame.interleaved_s(
        [lambda: space.genome.sample(ARCHS, np.random.default_rng(0)), lambda: counter(codes)], rounds
    )

    def macs(codes: Any) -> Any:
        return counter(codes).macs

    least, most = macs(space.encode([space.smallest(), space.largest()]))
    problem = Problem(
        space, objectives_named(("accuracy", "macs")), {"macs": macs}, {"macs": float(least + (most - least) / 2)}
    )
    settings = SearchSettings(
        ("accuracy", "macs"), evaluations=100 if quick else EVALUATIONS, searcher="nsga2", predictor="none", patience=0
    )
    begun = time.perf_counter()
    search(problem, accuracy, settings, folder, progress=False)
    return {
        "space_genes": len(space.genes()),
        "space_log10": math.log10(space.genome.size()),
        "space_build_s": built,
        "sample_s": sample_s,
        "cost_s": cost_s,
        "search_s": time.perf_counter() - begun,
    }


if __name__ == "__main__":
    frame.run(__doc__, measure)
