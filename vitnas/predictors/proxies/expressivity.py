"""AZ-NAS's expressivity (Lee and Ham, 2024, "Assembling zero-cost proxies for network architecture search")."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vitnas.predictors.proxies.proxy import Proxy, by_place
from vitnas.search_spaces import Blueprint


class Expressivity(Proxy):
    """The sum over layers of the entropy of the principal components of their features.

    A layer here is a site of the blueprint, where the paper takes a whole block; the classifier is left out.
    """

    name = "expressivity"
    num_images = 8

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        return sum(entropies(network, images))


def entropies(network: nn.Sequential, images: Tensor) -> list[float]:
    """Of every layer but the last, the entropy of its features' principal components."""
    found = []
    for values, _ in spectra(network, images):
        share = values / values.sum().clamp(min=1e-300)
        found.append(float(-torch.special.xlogy(share, share).sum()))
    return found


def spectra(network: nn.Sequential, images: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Of every layer but the last, the eigenvalues of its features' covariance, and of how many places it is."""
    network.train()
    x = images
    with torch.no_grad():
        for layer in list(network)[:-1]:
            x = layer(x)
            rows = by_place(x, layer).flatten(0, 1).double()
            rows = rows - rows.mean(dim=0)
            yield torch.linalg.eigvalsh(rows.T @ rows / len(rows)).clamp(min=0), len(rows)
