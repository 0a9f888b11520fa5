"""DIMAP's share (Data-independent Module-Aware Pruning): a weight among those of its layer that are as large; no data."""

from __future__ import annotations

from vitnas.search_spaces import Arch
from vitnas.supernets.data import Images
from vitnas.supernets.pruning.of_weights import OfWeights
from vitnas.supernets.pruning.weight_shares import weight_shares
from vitnas.supernets.supernet import Supernet


class WeightShare(OfWeights):
    """The square of a weight over the sum of the squares of all weights of its layer that are not smaller.

    The largest weight of every layer has 1, so that layers of small weights are not thought to matter less. Vectors,
    such as biases and the scales of norms, are no weights of a map and count nothing. Images are not looked at.
    """

    def weights(self, net: Supernet, images: Images, arch: Arch | None = None) -> Supernet:
        return weight_shares(net, arch)
