"""SNIP (Lee et al., 2019), as a score of networks by Abdelfattah et al. (2021)."""

from __future__ import annotations

from torch import Tensor, nn

from vitnas.predictors.proxies.proxy import Proxy, loss_gradients
from vitnas.search_spaces import Blueprint


class SNIP(Proxy):
    """The sum of |weight times gradient| of the cross-entropy with random labels."""

    name = "snip"
    num_images = 4

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        found = loss_gradients(network.train(), images)
        return sum(float((weight * grad).abs().sum()) for weight, grad in found.values())
