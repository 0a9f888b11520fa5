"""What sharing weights costs: the supernet at an arch against the plain network cut from it.

Ratios of seconds to those of plain networks, of peak memory likewise, and of how fast images are read to how fast the
largest subnet trains on them. Goals: 1.05, memory 1.15, and 3 for reading. autoformer-mini is shown and not counted: its
smallest network takes a millisecond. One thread, whose own processor time counts, so that other work on the machine
does not. timm_ratio compares with timm's VisionTransformer of the same widths and depth.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import frame
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from vitnas.search_spaces import Arch, Codes, SearchSpace, load_space
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.data.batches import Batches
from vitnas.supernets.data.loader import Loader
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.lessons import Batch, take_lessons
from vitnas.supernets.training.samplers.sandwich import Sandwich
from vitnas.supernets.training.surroundings import keep_freed_blocks
from vitnas.supernets.weights.pretrained.timm_package import import_timm

BATCHES = {"autoformer-tiny": 8, "elasticvit": 32, "autoformer-mini": 64}
QUICK_BATCHES = {"autoformer-tiny": 2, "elasticvit": 2, "autoformer-mini": 16}
ROUNDS = {"autoformer-tiny": 15, "elasticvit": 7, "autoformer-mini": 61}
QUICK_ROUNDS = {"autoformer-tiny": 3, "elasticvit": 2, "autoformer-mini": 21}
COUNTED = ("autoformer-tiny", "elasticvit")
IMAGES = 256
# Operators live as long as the library that defines them.


def measure(quick: bool) -> frame.Results:
    # First, because a process starts with the peak of the one that starts it.
    memory = [_peak_bytes(shared) for shared in (True, False)]
    torch.set_num_threads(1)
    rows: list[tuple[str, ...]] = []
    forward, train, sandwich, consumed, others = [], [], [], 0.0, {}
    for name, batch in BATCHES.items():
        space = load_space(name)
        net = Supernet(space)
        x, y = _batch(space, QUICK_BATCHES[name] if quick else batch)
        rounds = (QUICK_ROUNDS if quick else ROUNDS)[name]
        for label, arch in _archs(space).items():
            plain = net.extract(arch)
            forward_s = _seconds([_forward(net, x, arch), _forward(plain, x)], rounds)
            train_s = _seconds([_train(net, x, y, arch), _train(plain, x, y)], rounds)
            if name in COUNTED:
                forward.append(forward_s[0] / forward_s[1])
                train.append(train_s[0] / train_s[1])
            rows.append(_row(f"{name} {label}", "forward", *forward_s))
            rows.append(_row(f"{name} {label}", "forward and backward", *train_s))
        if name == "autoformer-tiny":
            consumed = len(x) / train_s[0]  # of the largest, which comes last
            if find_spec("timm"):
                ours_s, timm_s = _seconds([_train(net, x, y, arch), _train(_timm(space), x, y)], rounds)
                others["timm_ratio"] = ours_s / timm_s
                rows.append(_row(f"{name} {label}", "beside timm's", ours_s, timm_s))
        lessons = Sandwich(space, seed=0, num_steps=1, label_share=0.0).plan(0)
        plains = [_train(net.extract(lesson.arch), x, y) for lesson in lessons]

        step_s, *plain_s = _seconds([_sandwich(net, x, y), *plains], max(1, rounds // 3))
        if name in COUNTED:
            sandwich.append(step_s / sum(plain_s))
        rows.append(_row(name, "sandwich step", step_s, sum(plain_s)))
    frame.show("milliseconds, medians of interleaved runs", ("", "what", "supernet", "plain", "ratio"), rows)
    frame.show(
        "peak memory of a training step of autoformer-tiny",
        ("", "MiB"),
        [
            (label, f"{m / 2**20:.0f}")
            for label, m in zip(("supernet, sandwich", "plain, largest"), memory, strict=True)
        ],
    )
    loaded = _loaded_images_per_s(quick)
    frame.show(
        "images a second",
        ("", "images/s"),
        [("read alone", f"{loaded:.0f}"), ("trained on by the largest autoformer-tiny", f"{consumed:.1f}")],
    )
    return {
        "forward_ratio_max": max(forward),
        "train_ratio_max": max(train),
        "sandwich_ratio": max(sandwich),
        "memory_ratio": memory[0] / memory[1],
        "loader_ratio": loaded / consumed,
        **others,
    }


def _seconds(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    return frame.interleaved_s(calls, rounds, time.thread_time)


def _row(name: str, what: str, shared_s: float, alone_s: float) -> tuple[str, ...]:
    return name, what, f"{shared_s * 1e3:.2f}", f"{alone_s * 1e3:.2f}", f"{shared_s / alone_s:.3f}"


def _loaded_images_per_s(quick: bool) -> float:
    """Images a second of the loader with one thread, from a folder of JPEGs of 224 pixels a side."""
    num = IMAGES // 4 if quick else IMAGES
    with tempfile.TemporaryDirectory() as folder:
        _write_images(Path(folder), num)
        settings = DataSettings(folder, image_size=224, mean=(0.5,) * 3, std=(0.25,) * 3, cache="off")
        images = load_dataset(settings).train
        batches = Batches(len(images), 32, seed=0)
        start = time.perf_counter()
        seen = sum(len(pixels) for pixels, *_ in Loader(images, batches, 0, batches.per_epoch, threads=1))
        return seen / (time.perf_counter() - start)


def _write_images(folder: Path, num: int) -> None:
    """Pictures whose spectrum falls with the frequency, as that of photographs does, in two classes."""
    rng = np.random.default_rng(0)
    rows, columns = np.fft.fftfreq(224)[:, None], np.fft.rfftfreq(224)[None]
    fall = 1 / np.maximum(np.hypot(rows, columns), 1 / 224)
    for i in range(num):
        spectrum = np.fft.rfft2(rng.standard_normal((3, 224, 224))) * fall
        picture = np.fft.irfft2(spectrum, s=(224, 224))
        picture = 128 + 50 * (picture - picture.mean()) / picture.std()
        path = folder / str(i % 2) / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)).save(path, quality=90)


def _timm(space: SearchSpace) -> nn.Module:
    """The largest arch in eager timm form: without relative positions, and with heads that make up the width."""
    import_timm()
    from timm.models.vision_transformer import VisionTransformer

    genes = dict(space.largest().genes)
    width, depth = genes["width"], genes["depth"]
    heads = max(genes["heads"])  # type: ignore[arg-type, type-var]
    return VisionTransformer(  # type: ignore[no-any-return]
        embed_dim=width, depth=depth, num_heads=heads, mlp_ratio=4.0, global_pool="avg"
    )


def _archs(space: SearchSpace) -> dict[str, Arch]:
    middle: Codes = space.genome.repair(space.genome.empty(1))
    for i, column in enumerate(space.columns):
        middle[:, i] = len(column.choices) // 2
    return {"smallest": space.smallest(), "middle": space.decode(middle)[0], "largest": space.largest()}


def _batch(space: SearchSpace, batch: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, *space.task.image_shape, generator=generator)
    return x, torch.randint(space.task.num_classes, (batch,), generator=generator)


def _forward(network: nn.Module, x: Tensor, *arch: Arch) -> Callable[[], None]:
    def call() -> None:
        with torch.no_grad():
            network.eval()(x, *arch)

    return call


def _train(network: nn.Module, x: Tensor, y: Tensor, *arch: Arch) -> Callable[[], None]:
    def call() -> None:
        network.train().zero_grad()
        loss: Tensor = nn.functional.cross_entropy(network(x, *arch), y)
        loss.backward()  # type: ignore[no-untyped-call]

    return call


def _sandwich(net: Supernet, x: Tensor, y: Tensor) -> Callable[[], None]:
    lessons = Sandwich(net.space, seed=0, num_steps=1).plan(0)
    share = Batch(x, y, nn.functional.one_hot(y, net.space.task.num_classes).float())

    def call() -> None:
        net.train().zero_grad()
        take_lessons(net, lessons, [share])

    return call


def _peak_bytes(shared: bool) -> int:
    """Peak memory above what the process and its weights take, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_steps_peak_bytes, (shared,))


def _steps_peak_bytes(shared: bool) -> int:
    keep_freed_blocks()  # as training does
    space = load_space("autoformer-tiny")
    net = Supernet(space)
    arch = space.largest()
    x, y = _batch(space, BATCHES[space.name])
    call = _sandwich(net, x, y) if shared else _train(net.extract(arch), x, y)
    if not shared:
        del net
    before = _peak()
    for _ in range(2):
        call()
    return _peak() - before


def _peak() -> int:
    """The most memory that this process ever held; counted in KiB everywhere but on macOS."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    frame.run(__doc__, measure)
