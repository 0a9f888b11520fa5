"""Jacobian covariance (Mellor et al., 2020, first version of "Neural architecture search without training")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.predictors.proxies.proxy import Proxy
from vitnas.search_spaces import Blueprint

OFFSET = 1e-5


class JacobCov(Proxy):
    """How little the gradients of different images with respect to their pixels resemble each other.

    -sum(log(v + k) + 1 / (v + k)) over the eigenvalues v of their correlation matrix.
    """

    name = "jacob-cov"
    num_images = 6

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        x = images.detach().clone().requires_grad_()
        (grads,) = torch.autograd.grad(network.train()(x).sum(), x)
        values = torch.linalg.eigvalsh(torch.corrcoef(grads.flatten(1).double())).clamp(min=0) + OFFSET
        return float(-(values.log() + 1 / values).sum())
