"""How good a network is on images, and how good an arch is on the weights of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import torch
from torch import nn

from vitnas.errors import DataError
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.search_spaces.answers import ANSWERS
from vitnas.search_spaces.compressed import Compressed
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import Dataset, Images
from vitnas.supernets.goals import goal_of
from vitnas.supernets.goals.tally import EvaluationResult
from vitnas.supernets.judgement import Judgement, OutOfReach
from vitnas.supernets.recalibration import NUM_BATCHES, recalibrate
from vitnas.supernets.shared_ranges import SharedRanges, at_precisions
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import CPU

ON_CPU, ELSEWHERE = 64, 256
"""Images a batch: on a processor larger ones leave its caches, and convolutional networks take up to twice the time."""

MOST_PIXELS = 2**22
"""Of a batch of images that are answered for pixel by pixel: a hundred classes of them are 1.6 GiB of logits."""


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
    """The same, but a network whose metric will be below the least that matters, were all other images right, is left there.

    Args:
        networks: on one device.
        images: to look at, in their order.
        least: the value that matters, one a network; 0 for one that is looked at to the end.
        batch_size: after how many images to compare; by default as many as are quickest.
    """
    if not len(images):
        raise DataError("cannot evaluate a network on no images; give at least one")
    device = next(networks[0].parameters()).device
    modes = [(m, m.training) for network in networks for m in network.modules()]
    tallies = [goal_of(images.answer).tally() for _ in networks]
    for network in networks:
        network.eval()
    beaten: dict[int, OutOfReach] = {}
    num_seen = 0
    for x, y in images.batches(batch_size or _quickest(images, device)):
        if len(beaten) == len(networks):
            break
        seen, truth = x.to(device), y.to(device)
        num_seen += len(truth)
        for i in set(range(len(networks))) - beaten.keys():
            tallies[i].add(networks[i](seen), truth)
            if least[i] > 0:
                at_most = tallies[i].at_most(len(images))
                if at_most < least[i] and num_seen < len(images):
                    beaten[i] = OutOfReach(at_most, num_seen)
    for module, training in modes:
        module.training = training
    return [beaten.get(i) or tallies[i].result() for i in range(len(networks))]


def _quickest(images: Images, device: torch.device) -> int:
    """Images a batch; fewer where each pixel of large ones is answered for."""
    size = ON_CPU if device.type == "cpu" else ELSEWHERE
    if ANSWERS.load(images.answer).head is None:
        return size
    return max(1, min(size, MOST_PIXELS // math.prod(images.shape[1:])))


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


def judgement_of(network: nn.Module, images: Images, limit: int | None = None, device: torch.device = CPU) -> Judgement:
    """On all of these images, or on a sample where a limit is set; on another device by a copy of the network."""
    few = images if limit is None else images.sample(limit)
    if next(network.parameters()).device != device:
        network = deepcopy(network).to(device)
    return evaluate(network, few).judgement(len(images))


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
