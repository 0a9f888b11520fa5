"""How many directions the features of all layers use (effective rank: Roy and Vetterli, 2007)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from vitnas.predictors.proxies.expressivity import entropies
from vitnas.predictors.proxies.proxy import Proxy
from vitnas.search_spaces import Blueprint


class EffectiveRank(Proxy):
    """The sum over layers of e to the entropy of the principal components of their features.

    A layer that spreads its features evenly over n directions counts n, where `Expressivity` counts log n: a wide layer
    is worth several narrow ones. Not from a paper on proxies; nearly free of what FFN ratios and heads add to
    a network without showing in its features.
    """

    name = "effective-rank"
    num_images = 8

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        return sum(math.exp(entropy) for entropy in entropies(network, images))
