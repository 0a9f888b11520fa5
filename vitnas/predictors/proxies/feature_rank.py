"""How many directions the features of all layers span."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.predictors.proxies.expressivity import spectra
from vitnas.predictors.proxies.proxy import Proxy
from vitnas.search_spaces import Blueprint


class FeatureRank(Proxy):
    """The sum over layers of the numerical rank of their features, the classifier left out.

    A plain ViT spans all its channels, so that depth counts as much as width, and FFN ratios and heads, which do not show in
    the features, count nothing: archs that differ in these alone are equal. Bottlenecks and collapsed features count
    for what they hold. At most the number of places in all images is seen. Not from a paper on proxies.
    """

    name = "feature-rank"
    num_images = 16

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        found = 0
        for values, num_rows in spectra(network, images):
            # What single precision leaves of a singular value that vanishes; these are squares of them.
            least = (max(num_rows, len(values)) * torch.finfo(torch.float32).eps) ** 2
            found += int((values > values.max() * least).sum())
        return found
