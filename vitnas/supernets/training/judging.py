"""How a supernet is judged while it trains: by three of its archs, so often that it costs little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import Dataset
from vitnas.supernets.evaluation import cut_out, evaluate
from vitnas.supernets.goals.tally import EvaluationResult
from vitnas.supernets.recalibration import BATCH_SIZE, NUM_BATCHES
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.samplers import Lesson

SHARE = 0.05
"""What judging may cost, as a share of the training."""
MOST = 20
"""Times that a training is judged at most."""
IMAGES, BATCHES = 1000, 4
"""Validation images, and batches for batch norms, that are looked at on the way."""
FORWARD = 1 / 3
"""A forward pass, as a share of a forward and a backward pass."""


def steps_between(
    space: SearchSpace,
    archs: Sequence[Arch],
    lessons: Sequence[Lesson],
    dataset: Dataset,
    batch_size: int,
    num_steps: int,
) -> int:
    """Steps between two judgements, such that all of them and the last, on all images, cost `SHARE` of the steps by their MACs.

    Where the last costs more than half of that, the others have the other half: short trainings have a curve too.

    Args:
        space: of the archs.
        archs: that are judged.
        lessons: of a usual step.
        dataset: whose images are looked at.
        batch_size: images of a step.
        num_steps: of the training.
    """
    macs = PopulationCounter(space)(space.encode(list(archs))).macs.astype(float)

    def cost(images: int, batches: int) -> float:
        looked_at = min(images, len(dataset.val)) + min(batches * BATCH_SIZE, len(dataset.train))
        return FORWARD * looked_at * float(macs.sum())

    passes = sum(1 / lesson.part[1] for lesson in lessons)
    allowed = SHARE * num_steps * batch_size * passes * float(np.mean(macs))
    on_the_way = max(allowed - cost(len(dataset.val), NUM_BATCHES), allowed / 2)
    return -(-num_steps // (1 + min(int(on_the_way / cost(IMAGES, BATCHES)), MOST - 1)))


def judge(net: Supernet, archs: Mapping[str, Arch], dataset: Dataset, whole: bool) -> dict[str, EvaluationResult]:
    """How good archs are on the shared weights.

    Args:
        net: with the weights.
        archs: name -> arch; one that has two names is judged once.
        dataset: the images.
        whole: looks at all validation images and measures batch norms as for an export; else at few, for a curve.
    """
    val = dataset.val if whole else dataset.val.sample(IMAGES)
    num_batches = NUM_BATCHES if whole else BATCHES
    each = {arch: evaluate(cut_out(net, arch, dataset.train, num_batches), val) for arch in set(archs.values())}
    return {name: each[arch] for name, arch in archs.items()}
