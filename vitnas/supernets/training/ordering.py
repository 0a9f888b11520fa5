"""The order of the channels of a network that was given, as training begins with it."""

from __future__ import annotations

from copy import deepcopy

from vitnas.search_spaces import Arch
from vitnas.supernets.data import Images
from vitnas.supernets.evaluation import one_thread
from vitnas.supernets.layers.low_rank import LowRankProduct
from vitnas.supernets.pruning.importances import IMPORTANCES
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.pruning.order import Ordered, sort_channels
from vitnas.supernets.pruning.ranks import turn_ranks
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import CPU


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
