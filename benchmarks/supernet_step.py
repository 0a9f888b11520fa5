"""What sharing weights costs: the supernet at an arch against the plain network cut from it.

Ratios of seconds, and of peak memory, above those of plain networks; the goal is 1.05 for each.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable

import frame
import torch
from torch import Tensor, nn

from vitnas.search_spaces import Arch, Codes, SearchSpace, load_space
from vitnas.supernets.lessons import take_lessons
from vitnas.supernets.samplers.sandwich import Sandwich
from vitnas.supernets.supernet import Supernet

BATCHES = {"autoformer-tiny": 8, "autoformer-mini": 64}
ROUNDS = {"autoformer-tiny": 15, "autoformer-mini": 61}
QUICK_ROUNDS = {"autoformer-tiny": 3, "autoformer-mini": 21}


def measure(quick: bool) -> frame.Results:
    # First, because a process starts with the peak of the one that starts it.
    memory = [_peak_bytes(shared) for shared in (True, False)]
    rows, forward, train, sandwich = [], [], [], []
    for name, batch in BATCHES.items():
        space = load_space(name)
        net = Supernet(space)
        x, y = _batch(space, batch // 4 if quick else batch)
        rounds = (QUICK_ROUNDS if quick else ROUNDS)[name]
        for label, arch in _archs(space).items():
            plain = net.extract(arch)
            forward_s = frame.interleaved_s([_forward(net, x, arch), _forward(plain, x)], rounds)
            train_s = frame.interleaved_s([_train(net, x, y, arch), _train(plain, x, y)], rounds)
            forward.append(forward_s[0] / forward_s[1])
            train.append(train_s[0] / train_s[1])
            for what, (shared, alone), ratio in (
                ("forward", forward_s, forward[-1]),
                ("forward and backward", train_s, train[-1]),
            ):
                rows.append((f"{name} {label}", what, f"{shared * 1e3:.2f}", f"{alone * 1e3:.2f}", f"{ratio:.3f}"))
        lessons = Sandwich(space, seed=0, label_steps=0).plan(0)
        plains = [_train(net.extract(lesson.arch), x, y) for lesson in lessons]

        def step(net: Supernet = net, x: Tensor = x, y: Tensor = y, lessons: tuple[object, ...] = lessons) -> None:
            net.zero_grad()
            take_lessons(net, lessons, x, y, 0.0)  # type: ignore[arg-type]

        step_s, *plain_s = frame.interleaved_s([step, *plains], max(2, rounds // 2))
        sandwich.append(step_s / sum(plain_s))
        rows.append((name, "sandwich step", f"{step_s * 1e3:.2f}", f"{sum(plain_s) * 1e3:.2f}", f"{sandwich[-1]:.3f}"))
    frame.show("milliseconds, medians of interleaved runs", ("", "what", "supernet", "plain", "ratio"), rows)
    frame.show(
        "peak memory of a training step, largest autoformer-tiny",
        ("", "MiB"),
        [(label, f"{m / 2**20:.0f}") for label, m in zip(("supernet", "plain"), memory, strict=True)],
    )
    return {
        "forward_ratio_max": max(forward),
        "train_ratio_max": max(train),
        "sandwich_ratio": max(sandwich),
        "memory_ratio": memory[0] / memory[1],
    }


def _archs(space: SearchSpace) -> dict[str, Arch]:
    middle: Codes = space.genome.repair(space.genome.empty(1))
    for i, column in enumerate(space.columns):
        middle[:, i] = len(column.choices) // 2
    return {"smallest": space.smallest(), "middle": space.decode(middle)[0], "largest": space.largest()}


def _batch(space: SearchSpace, batch: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    size, channels = space.task.image_size, space.task.in_channels
    x = torch.randn(batch, channels, size, size, generator=generator)
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


def _peak_bytes(shared: bool) -> int:
    """Peak memory above what the process and its weights take, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_steps_peak_bytes, (shared,))


def _steps_peak_bytes(shared: bool) -> int:
    space = load_space("autoformer-tiny")
    net = Supernet(space)
    arch = space.largest()
    x, y = _batch(space, BATCHES[space.name])
    call = _train(net, x, y, arch) if shared else _train(net.extract(arch), x, y)
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
