"""The order of the channels of a network that was given, as training begins with it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import torch

from vitnas.search_spaces import Arch, Pruned
from vitnas.supernets.data import Images
from vitnas.supernets.evaluation import one_thread
from vitnas.supernets.layers import Layer
from vitnas.supernets.layers.low_rank import LowRankProduct
from vitnas.supernets.pruning.importances import IMPORTANCES
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.pruning.order import Ordered, sort_channels
from vitnas.supernets.pruning.ranks import turn_ranks
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import CPU
from vitnas.supernets.weights.initial_weights import is_run_of
from vitnas.supernets.weights.overlap import common_tensors
from vitnas.supernets.weights.sources import find_weights


def unrestricted(net: Supernet, source: str, seed: int) -> Supernet:
    """Where a given network can be sorted: the supernet of all of it where the space of `net` keeps a part, else `net`.

    What a run of the space has is sorted already, and a part of it may be compensated.
    """
    space = net.space
    if not (isinstance(space, Pruned) and space.only) or is_run_of(space, find_weights(source)):
        return net
    return Supernet(replace(space, only=()), seed).train().to(next(net.parameters()).device)


@torch.no_grad()
def take_slices(net: Supernet, whole: Supernet) -> None:
    """Writes what the first channels of `whole` hold into a supernet of a part of its space."""
    training = net.training
    net.eval()  # so that slices of running statistics are the shared ones
    whole.eval()
    for key, layer in net.layers.items():
        larger = whole.layers[key]
        assert isinstance(layer, Layer)
        assert isinstance(larger, Layer)
        for own, value in common_tensors(key, layer, larger, exact=False):
            own.copy_(value)
    net.train(training)


def sort_given(net: Supernet, arch: Arch, images: Images, importance: str, seed: int) -> Ordered:
    """Sorts the channels of an arch whose weights were given, in place, with weights of low rank turned to their best bases first.

    Scores are computed on a processor by one thread, so that all processes of a training sort alike.

    Args:
        net: that holds it.
        arch: the network that was given.
        images: to look at, of the training.
        importance: of `IMPORTANCES`.
        seed: of the images.
    """
    with one_thread():
        copy = deepcopy(net).to(CPU)
        if any(isinstance(module, LowRankProduct) for module in net.modules()):
            seen = measure_moments(copy, images, arch, seed=seed)
            for each in (copy, net):
                turn_ranks(each, seen, arch)
        scores = IMPORTANCES.load(importance)(seed=seed).channels(copy, images, arch)
    return sort_channels(net, scores, arch)
