"""AZ-NAS's progressivity (Lee and Ham, 2024)."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from vitnas.predictors.proxies.expressivity import entropies
from vitnas.predictors.proxies.proxy import Proxy
from vitnas.search_spaces import Blueprint


class Progressivity(Proxy):
    """The least growth of the entropy of features from one layer to the next (see `Expressivity`)."""

    name = "progressivity"
    num_images = 8

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        found = entropies(network, images)
        return min((later - earlier for earlier, later in itertools.pairwise(found)), default=0.0)
