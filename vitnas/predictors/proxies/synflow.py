"""SynFlow (Tanaka et al., 2020, "Pruning neural networks without any data")."""

from __future__ import annotations

import math

from torch import Tensor, nn

from vitnas.errors import SearchError
from vitnas.predictors.proxies.dss import gradients_of_ones
from vitnas.predictors.proxies.intercept import linear
from vitnas.predictors.proxies.proxy import Proxy, weights
from vitnas.search_spaces import Blueprint


class SynFlow(Proxy):
    """The logarithm of the sum of weight times gradient, of magnitudes and an image of ones.

    All but weights is left out: normalisations, activations (ReLU hands on what is positive) and the choice of where
    attention looks. In double precision, as the flow grows with every layer.
    """

    name = "synflow"

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        found = [weight for _, weight in weights(network.double())]
        with linear():
            grads = gradients_of_ones(network, blueprint, found)
        flow = sum(float((w.detach() * g).abs().sum()) for w, g in zip(found, grads, strict=True))
        if not 0 < flow < math.inf:
            raise SearchError(
                f"proxy 'synflow': the flow of weights through this network is {flow}, beyond double precision, as where "
                "layers multiply features by each other (gates); choose another, such as dss or naswot"
            )
        return math.log(flow)
