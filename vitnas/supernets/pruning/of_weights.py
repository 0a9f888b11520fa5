"""Importances that give every weight a score: a channel, and a layer, has the sum over its own."""

from __future__ import annotations

from abc import abstractmethod
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from vitnas.errors import DataError
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.search_spaces.site_values import SiteValues
from vitnas.supernets.data import Images
from vitnas.supernets.layers import Layer
from vitnas.supernets.pruning.importance import Importance, normalised
from vitnas.supernets.pruning.order import ChannelScores, orderable, streams
from vitnas.supernets.recalibration import recalibrate
from vitnas.supernets.supernet import Supernet


class OfWeights(Importance):
    """A subclass scores the weights; the rest are sums."""

    @abstractmethod
    def weights(self, net: Supernet, images: Images, arch: Arch | None = None) -> Supernet:
        """A copy whose weights are the scores of the weights, as an arch uses them; by default as several archs do."""

    def channels(self, net: Supernet, images: Images, arch: Arch | None = None) -> ChannelScores:
        arch = net.space.largest() if arch is None else arch
        return channel_sums(self.weights(net, images, arch), arch)

    @classmethod
    def check(cls, space: SearchSpace) -> None:
        """Every layer that the supernet holds has weights, and so scores."""

    def table(self, net: Supernet, images: Images) -> SiteValues:
        return SiteValues(net.space, kept_sums(self.weights(net, images)))


def channel_sums(scored: Supernet, arch: Arch) -> ChannelScores:
    """For each channel of an arch the sum over all weights that belong to it."""
    attributes, layers = {}, {}
    for place, layer, channels in orderable(scored, arch):
        attributes[place] = channels.sums(weights_of(layer))
    for site, spec in scored.space.lower(arch).items():
        whole = scored.layers[f"{site}-{spec.kind}"]
        assert isinstance(whole, Layer)
        layers[site] = weights_of(whole.at(spec))
    each: list[Tensor | None] = []
    for stream in streams(scored, arch):
        sums = [end.channels.sums(layers[end.site]) for end in stream.ends]
        each.append(torch.stack(sums).sum(dim=0) if not stream.refused else None)
    return ChannelScores(attributes, tuple(each))


def weights_of(layer: Layer) -> dict[str, Tensor]:
    """The weights of a layer by name, also where they are slices of larger ones; no statistics."""
    return {
        f"{prefix}.{name}" if prefix else name: weight
        for prefix, module in layer.named_modules()
        for name, weight in module._parameters.items()
        if weight is not None
    }


def kept_sums(scored: Supernet) -> NDArray[np.float64]:
    """A table of sites and layers: the sums over the weights that each layer has, 1 for all weights there are."""
    space = scored.space
    number = {spec: i for i, spec in enumerate(space.lowering.specs)}
    table = SiteValues.zeros(space)
    for row, (site, specs) in enumerate(space.lowering.specs_at().items()):
        for spec in specs:
            kept = scored._layer(site, spec).narrow(spec)
            table[row, number[spec]] = sum(float(p.detach().double().sum()) for p in kept.parameters())
    return normalised(table)


def blank_copy(net: Supernet) -> Supernet:
    """A copy to work on, which makes up for nothing."""
    own = deepcopy(net).eval()
    own.compensation = None
    return own


@torch.no_grad()
def working_copy(net: Supernet, images: Images, arch: Arch) -> Supernet:
    """A blank copy whose batch norms have the statistics of an arch; a supernet keeps none."""
    if len(images) == 0:
        raise DataError("importance needs images to take a loss on; give at least one")
    own = blank_copy(net)
    measure_norms(own, images, arch)
    return own


@torch.no_grad()
def measure_norms(own: Supernet, images: Images, arch: Arch) -> None:
    """Gives the batch norms of a supernet the statistics of an arch."""
    network = own.uncompensated(arch)
    recalibrate(network, images)
    for site, spec in own.space.lower(arch).items():
        small, whole = network.get_submodule(site), own._layer(site, spec)
        for name, norm in small.named_modules():
            if isinstance(norm, _BatchNorm):
                for buffer, measured in norm.named_buffers():
                    shared = whole.get_submodule(name).get_buffer(buffer)
                    shared[tuple(slice(size) for size in measured.shape)] = measured
