"""The best archs of a trained supernet within limits, by the loss that they have on its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.scaling import Placed, at_random, largest_uniform
from vitnas.errors import SearchError
from vitnas.quantities import format_limits
from vitnas.run import RunFolder
from vitnas.supernets.data import Dataset
from vitnas.supernets.evaluation import cut_out, evaluate, one_thread
from vitnas.supernets.recalibration import BATCH_SIZE, NUM_BATCHES
from vitnas.supernets.torch_device import CPU
from vitnas.supernets.weights.checkpoints import load_supernet

JUDGED = 1024
"""Validation images that an arch is judged by."""
SIZES = (1.0, 0.7)
"""Shares of the latency of the largest arch within the limits, at which archs are drawn."""
FORWARD = 1 / 3
"""A forward pass, as a share of a training step."""


@dataclass(frozen=True)
class Judged:
    """An arch on the weights of the supernet."""

    placed: Placed
    loss: float


def shortlist(
    run: RunFolder,
    dataset: Dataset,
    clock: Clock,
    n: int,
    seed: int,
    say: Callable[[str], None],
    device: torch.device = CPU,
) -> list[Judged]:
    """Archs of a run's space within the limits, those of the least validation loss first.

    The largest uniformly scaled arch is among them, and random archs of its latency and of somewhat less.

    Args:
        run: whose supernet is trained.
        dataset: its images.
        clock: times archs.
        n: how many are judged, or fewer where not as many are found.
        seed: of the draws.
        say: told what is found.
        device: where they are judged.
    """
    space = run.space
    largest = largest_uniform(space, clock)
    if largest is None:
        wanted = format_limits(clock.limits)
        raise SearchError(
            f"the smallest arch of run '{run.path}' does not keep {wanted}; allow more, or train another run"
        )
    rng = np.random.default_rng(seed)
    found = [largest]
    for share in SIZES:
        found += at_random(space, clock, largest.arch, -(-(n - 1) // len(SIZES)), rng, share * largest.share)
    found = list({one.arch: one for one in found}.values())[:n]
    supernet, images = load_supernet(run).to(device), dataset.val.sample(min(JUDGED, len(dataset.val)))
    with one_thread():
        judged = [Judged(one, evaluate(cut_out(supernet, one.arch, dataset.train), images).loss) for one in found]
    judged.sort(key=lambda one: (one.loss, one.placed.arch.id))
    say(f"{len(judged)} archs of the supernet judged; losses {judged[0].loss:.3f} to {judged[-1].loss:.3f}")
    return judged


def judging_s(step_s: float, batch_size: int) -> float:
    """Processor seconds of judging one arch, whose batch norms are measured anew."""
    return FORWARD * step_s * (JUDGED + NUM_BATCHES * BATCH_SIZE) / batch_size
