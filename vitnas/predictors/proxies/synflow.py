"""SynFlow (Tanaka et al., 2020, "Pruning neural networks without any data")."""

from __future__ import annotations

import math

from torch import Tensor, nn

from vitnas.predictors.proxies.dss import gradients_of_ones
from vitnas.predictors.proxies.proxy import Proxy, weights, without_norms
from vitnas.search_spaces import Blueprint


class SynFlow(Proxy):
    """The logarithm of the sum of weight times gradient, of magnitudes and an image of ones, without normalisations.

    In double precision, as the flow grows with every layer.
    """

    name = "synflow"

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        found = [weight for _, weight in weights(network.double())]
        with without_norms():
            grads = gradients_of_ones(network, blueprint, found)
        flow = sum(float((w.detach() * g).abs().sum()) for w, g in zip(found, grads, strict=True))
        return math.log(flow) if flow > 0 else float("nan")
