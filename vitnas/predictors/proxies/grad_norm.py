"""GradNorm (Abdelfattah et al., 2021, "Zero-cost proxies for lightweight NAS")."""

from __future__ import annotations

from torch import Tensor, nn

from vitnas.predictors.proxies.proxy import Proxy, loss_gradients
from vitnas.search_spaces import Blueprint


class GradNorm(Proxy):
    """The sum over weights of the Euclidean norm of the gradient of the cross-entropy with random labels."""

    name = "grad-norm"
    num_images = 4

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        found = loss_gradients(network.train(), images)
        return sum(float(grad.norm()) for _, grad in found.values())
