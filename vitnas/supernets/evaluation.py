"""How good a network is on images, and how good an arch is on the weights of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.errors import DataError
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.search_spaces.compressed import Compressed
from vitnas.supernets.accuracy import Accuracy, OutOfReach
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import Dataset, Images
from vitnas.supernets.recalibration import NUM_BATCHES, recalibrate
from vitnas.supernets.shared_ranges import SharedRanges, at_precisions
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import CPU, exact

ON_CPU, ELSEWHERE = 64, 256
"""Images a batch: on a processor larger ones leave its caches, and convolutional networks take up to twice the time."""


@dataclass(frozen=True)
class EvaluationResult:
    """Accuracy in 0..1 and mean cross-entropy over `num_images` images.

    Attributes:
        accuracy: the share of images that were named right.
        loss: mean cross-entropy.
        num_images: how many were looked at.
        right: one answer an image, in their order.
    """

    accuracy: float
    loss: float
    num_images: int
    right: NDArray[np.bool_] = field(repr=False, compare=False)

    @property
    def accuracy_std(self) -> float:
        """Standard deviation of the accuracy for so many images drawn at random.

        One more right and one more wrong are added (Agresti and Coull), so that all right is not without an error.
        """
        n = self.num_images + 2
        share = (self.accuracy * self.num_images + 1) / n
        return math.sqrt(share * (1 - share) / n)


def evaluate(network: nn.Module, images: Images, batch_size: int | None = None) -> EvaluationResult:
    """Runs a network over all images in evaluation mode; it is left in the mode it came in."""
    return evaluate_together([network], images, batch_size)[0]


def evaluate_together(
    networks: Sequence[nn.Module], images: Images, batch_size: int | None = None
) -> list[EvaluationResult]:
    """The same of several networks on one device, for which every image is read once."""
    found = evaluate_unless_beaten(networks, images, [0.0] * len(networks), batch_size)
    return [one for one in found if isinstance(one, EvaluationResult)]  # all of them


@torch.no_grad()
def evaluate_unless_beaten(
    networks: Sequence[nn.Module], images: Images, least: Sequence[float], batch_size: int | None = None
) -> list[EvaluationResult | OutOfReach]:
    """The same, but a network whose accuracy will be below the least that matters, were all other images right, is left there.

    Args:
        networks: on one device.
        images: to look at, in their order.
        least: the accuracy that matters, one a network; 0 for one that is looked at to the end.
        batch_size: after how many images to compare; by default as many as are quickest.
    """
    if not len(images):
        raise DataError("cannot evaluate a network on no images; give at least one")
    device = next(networks[0].parameters()).device
    modes = [(m, m.training) for network in networks for m in network.modules()]
    right: list[list[Tensor]] = [[] for _ in networks]
    # Read once, so that a GPU is never waited for.
    losses = [torch.zeros((), dtype=exact(device), device=device) for _ in networks]
    for network in networks:
        network.eval()
    beaten: dict[int, OutOfReach] = {}
    wrong, num_seen = [0] * len(networks), 0
    for x, y in images.batches(batch_size or (ON_CPU if device.type == "cpu" else ELSEWHERE)):
        if len(beaten) == len(networks):
            break
        seen, target = x.to(device), y.to(device)
        num_seen += len(target)
        for i in set(range(len(networks))) - beaten.keys():
            logits = networks[i](seen)
            right[i].append(logits.argmax(dim=1) == target)
            losses[i] += F.cross_entropy(logits.to(exact(device)), target, reduction="sum")
            if least[i] > 0:
                wrong[i] += len(target) - int(right[i][-1].sum())
                at_most = (len(images) - wrong[i]) / len(images)
                if at_most < least[i] and num_seen < len(images):
                    beaten[i] = OutOfReach(at_most, num_seen)
    for module, training in modes:
        module.training = training
    return [beaten.get(i) or _result(torch.cat(right[i]), losses[i]) for i in range(len(networks))]


def _result(right: Tensor, loss: Tensor) -> EvaluationResult:
    answers = right.cpu().numpy()
    return EvaluationResult(int(answers.sum()) / len(answers), float(loss) / len(answers), len(answers), answers)


def evaluate_arch(
    supernet: Supernet,
    arch: Arch,
    dataset: Dataset,
    space: SearchSpace | None = None,
    ranges: SharedRanges | None = None,
) -> EvaluationResult:
    """An arch on the shared weights: cut out, batch norms measured anew, judged on the validation images."""
    return evaluate(cut_out(supernet, arch, dataset.train, space=space, ranges=ranges), dataset.val)


def cut_out(
    supernet: Supernet,
    arch: Arch,
    train: Images,
    num_batches: int = NUM_BATCHES,
    space: SearchSpace | None = None,
    ranges: SharedRanges | None = None,
) -> nn.Sequential:
    """The network of an arch with the shared weights, and batch-norm statistics of its own, of so many batches.

    Args:
        supernet: with the shared weights.
        arch: of the supernet's space, or of a compressed one over it.
        train: training images.
        num_batches: of them, for the statistics.
        space: of the arch; by default the supernet's.
        ranges: of the activations of a compressed arch; measured on its own network where they are not given.
    """
    over = space is not None and space is not supernet.space and isinstance(space, Compressed)
    space = space or supernet.space
    network = supernet.extract(space.plain(arch) if over and isinstance(space, Compressed) else arch)
    recalibrate(network, train, num_batches)
    return at_precisions(network, space.lower(arch), train, ranges) if isinstance(space, Compressed) else network


def measured_accuracy(
    network: nn.Module, images: Images, limit: int | None = None, device: torch.device = CPU
) -> Accuracy:
    """On all of these images, or on a sample where a limit is set; on another device by a copy of the network."""
    few = images if limit is None else images.sample(limit)
    if next(network.parameters()).device != device:
        network = deepcopy(network).to(device)
    return Accuracy(evaluate(network, few).accuracy, len(few), len(images))


def landmarks(space: SearchSpace) -> dict[str, Arch]:
    """The smallest and largest arch and one between, the median by MACs of some random ones."""
    drawn = space.genome.sample(65, np.random.default_rng(0))
    middle = drawn[np.argsort(PopulationCounter(space)(drawn).macs, kind="stable")[32:33]]
    return {"smallest": space.smallest(), "middle": space.decode(middle)[0], "largest": space.largest()}


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes with one thread meanwhile, which gives the same bits on every machine of a kind."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
