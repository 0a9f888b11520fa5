"""NASWOT (Mellor et al., 2021, "Neural architecture search without training")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.errors import SearchError
from vitnas.predictors.proxies.intercept import activation_inputs
from vitnas.predictors.proxies.proxy import Proxy
from vitnas.search_spaces import Blueprint


class NASWOT(Proxy):
    """log det of the matrix of how many units two images switch alike.

    The paper looks at ReLU; here at the sign of what any activation gets, GELU and its like included.
    """

    name = "naswot"
    num_images = 6

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        alike = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)

        def see(x: Tensor) -> None:
            if len(x) % len(images):
                raise SearchError("proxy 'naswot': an activation here does not have a row for every image")
            on = (x.detach().reshape(len(images), -1) > 0).float()
            off = 1 - on
            alike.add_((on @ on.T + off @ off.T).double())

        with torch.no_grad(), activation_inputs(see):
            network.train()(images)
        if not alike.any():
            raise SearchError("proxy 'naswot' reads activations, of which this network has none; choose another")
        return float(torch.linalg.slogdet(alike).logabsdet)
