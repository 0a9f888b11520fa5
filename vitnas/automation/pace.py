"""What a training step of an arch costs here, and in which memory layout it costs less."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.evaluation import one_thread
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.malloc import keep_freed_blocks

TIMED = 3
"""Steps that are timed after a first one, or fewer when they take long."""
LONG_S = 1.0
BESIDE = 1.12
"""What a step costs with its images, update and records, over its forward and backward passes."""


@dataclass(frozen=True)
class Pace:
    """The cost of a training step.

    Attributes:
        step_s: processor seconds on one thread.
        channels_last: whether that is in the memory layout with channels last.
    """

    step_s: float
    channels_last: bool


def measure_pace(space: SearchSpace, arch: Arch, batch_size: int) -> Pace:
    """Makes a few steps in each layout with random images; the quicker layout is the pace."""
    keep_freed_blocks()
    found = [Pace(_step_s(space, arch, batch_size, last), last) for last in (False, True)]
    return min(found, key=lambda pace: pace.step_s)


def _step_s(space: SearchSpace, arch: Arch, batch_size: int, channels_last: bool) -> float:
    alone = space.alone(arch)
    net = Supernet(alone, 0).train()
    x = torch.zeros(batch_size, *space.task.image_shape)
    y = torch.zeros(batch_size, dtype=torch.long)
    if channels_last:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.contiguous(memory_format=torch.channels_last)
    took: list[float] = []
    with one_thread(), torch.random.fork_rng(devices=[]):
        for _ in range(1 + TIMED):
            if sum(took[1:]) > LONG_S:
                break
            start = time.process_time()
            net.zero_grad()
            F.cross_entropy(net(x, arch), y).backward()  # type: ignore[no-untyped-call]
            took.append(time.process_time() - start)
    return BESIDE * min(took[1:])
