"""Weight x gradient, squared: what setting a weight to zero does to the loss (Molchanov et al., 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vitnas.search_spaces import Arch
from vitnas.supernets.data import Images
from vitnas.supernets.goals import goal_of
from vitnas.supernets.pruning.of_weights import OfWeights, measure_norms, working_copy
from vitnas.supernets.supernet import Supernet

BATCH_SIZE = 64

Loss = Callable[[Supernet, Arch, Tensor, Tensor], Tensor]
"""Of a supernet at an arch, for images and labels."""


class WeightGradient(OfWeights):
    """The sum over batches of (weight x gradient)^2, by the labels."""

    def weights(self, net: Supernet, images: Images, arch: Arch | None = None) -> Supernet:
        archs = [arch] if arch is not None else some_archs(net, self.seed)
        return squared(working_copy(net, images, archs[0]), images, archs, by_labels, self.num_images, self.seed)


def some_archs(net: Supernet, seed: int) -> list[Arch]:
    """The largest, and four drawn at random for kinds of layers that it does not have."""
    space = net.space
    return [space.largest(), *space.decode(space.genome.sample_evenly(4, np.random.default_rng(seed)))]


def by_labels(net: Supernet, arch: Arch, x: Tensor, y: Tensor) -> Tensor:
    return goal_of(net.space.task.answer).truth_loss(net(x, arch), y)


def squared(own: Supernet, images: Images, archs: Sequence[Arch], loss: Loss, num_images: int, seed: int) -> Supernet:
    """The same with the sums of (weight x gradient)^2 over the batches of some images for its weights."""
    device = next(own.parameters()).device
    scores = [torch.zeros_like(weight) for weight in own.parameters()]
    sample = images.sample(num_images, seed)
    for arch in archs:
        measure_norms(own, images, arch)  # of its own, as it is evaluated with
        for x, y in sample.batches(BATCH_SIZE):
            own.zero_grad()
            loss(own, arch, x.to(device), y.to(device)).backward()  # type: ignore[no-untyped-call]
            for score, weight in zip(scores, own.parameters(), strict=True):
                if weight.grad is not None:
                    score += (weight.detach() * weight.grad) ** 2
    with torch.no_grad():
        for score, weight in zip(scores, own.parameters(), strict=True):
            weight.copy_(score)
    return own
