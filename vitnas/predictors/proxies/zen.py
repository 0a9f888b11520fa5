"""Zen-score (Lin et al., 2021, "Zen-NAS: a zero-shot NAS for high-performance image recognition")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vitnas.predictors.proxies.intercept import norm_inputs
from vitnas.predictors.proxies.proxy import Proxy, weights
from vitnas.search_spaces import Blueprint
from vitnas.supernets.layers import Layer

STEP = 0.01


class ZenScore(Proxy):
    """How far a small step of an image moves the features, with all that normalisations took away.

    log |f(x) - f(x + step * noise)| of weights and images drawn from a normal distribution, plus the logarithms of what
    the normalisations divided by. As in the paper, layers that add to their input are taken without what they add to, and all but the classifier
    are seen. The paper's networks have batch normalisation; layer normalisation is made up for in the same way, and a
    squeeze-and-excitation, which the paper takes out, stays.
    """

    name = "zen"
    num_images = 3

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        with torch.no_grad():
            for _, weight in weights(network):
                weight.copy_(torch.randn(weight.shape))
            x = torch.randn(images.shape).to(images)
            moved = x + STEP * torch.randn(images.shape).to(images)
            with norm_inputs() as deviations:
                here = _flow(network.train(), x)
            there = _flow(network, moved)
            distance = float((here - there).abs().double().mean())
        return math.log(max(distance, 1e-300)) + sum(math.log(max(d, 1e-30)) for d in deviations)


def _flow(network: nn.Sequential, x: Tensor) -> Tensor:
    for layer in list(network)[:-1]:
        assert isinstance(layer, Layer)
        y = layer(x)
        x = y - x if layer.is_residual() else y
    return x
