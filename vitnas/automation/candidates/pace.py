"""What a training step of an arch costs here, and in which memory layout it costs less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.evaluation import one_thread
from vitnas.supernets.goals import goal_of
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import CPU, Stopwatch
from vitnas.supernets.training.surroundings import keep_freed_blocks

TIMED = 3
"""Steps that are timed after a first one, or fewer when they take long."""
LONG_S = 1.0
BESIDE = 1.12
"""What a step costs with its images, update and records, over its forward and backward passes."""


@dataclass(frozen=True)
class Pace:
    """The cost of a training step.

    Attributes:
        step_s: processor seconds on one thread, or seconds of a GPU.
        channels_last: whether that is in the memory layout with channels last.
    """

    step_s: float
    channels_last: bool


def measure_pace(space: SearchSpace, arch: Arch, batch_size: int, device: torch.device = CPU) -> Pace:
    """Makes a few steps of an arch alone in each layout; the quicker layout is the pace."""
    return measure_shared_pace(space.alone(arch), [arch], batch_size, device)


def measure_shared_pace(space: SearchSpace, archs: Sequence[Arch], batch_size: int, device: torch.device = CPU) -> Pace:
    """The same of a supernet, each arch on its part of the batch."""
    keep_freed_blocks()
    part = batch_size // len(archs)
    found = [Pace(_step_s(space, archs, part, last, device), last) for last in (False, True)]
    return min(found, key=lambda pace: pace.step_s)


def _step_s(space: SearchSpace, archs: Sequence[Arch], part: int, channels_last: bool, device: torch.device) -> float:
    net = Supernet(space, 0).train().to(device)
    x = torch.zeros(part, *space.task.image_shape, device=device)
    task = space.task
    goal = goal_of(task.answer)
    y = goal.empty_truth(part, task.num_classes, task.image_shape).to(device)
    if channels_last:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.contiguous(memory_format=torch.channels_last)
    took: list[float] = []
    with one_thread(), torch.random.fork_rng(devices=[]):
        for _ in range(1 + TIMED):
            if sum(took[1:]) > LONG_S:
                break
            watch = Stopwatch(device)
            net.zero_grad()
            for arch in archs:
                goal.truth_loss(net(x, arch), y).backward()  # type: ignore[no-untyped-call]
            took.append(watch.seconds())
    return BESIDE * min(took[1:])
