"""Importances that look at what goes through the products of a network, see `vitnas.supernets.pruning.moments`."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from vitnas.search_spaces import Arch
from vitnas.supernets.compensation import Compensation, ProductMoments, rows_of
from vitnas.supernets.data import Images
from vitnas.supernets.layers import Layer
from vitnas.supernets.pruning.channels import Channels
from vitnas.supernets.pruning.importance import Importance
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.pruning.of_weights import channel_sums, weights_of
from vitnas.supernets.pruning.order import ChannelScores, orderable
from vitnas.supernets.pruning.weight_shares import weight_shares
from vitnas.supernets.supernet import Supernet


class OfMoments(Importance):
    """A subclass scores groups of inputs of a product; a channel has the sum over the products that read it.

    Channels that no product reads, such as those of queries and keys, have the sum of the squares of their weights, which
    tells them apart and nothing else. Those of the width, which norms read too, have the sum of the shares of their
    weights, see `weight_shares`. A whole layer counts what its inputs do, or, where no product reads channels of it, what
    leaving it out does to the logits.
    """

    @abstractmethod
    def groups(self, product: ProductMoments, weights: Tensor, groups: Tensor) -> Tensor:
        """A score for each group of inputs.

        Args:
            product: what was seen of the inputs.
            weights: (out, n), scaled so that their answers count as much as they do to the logits.
            groups: (size, m), the m inputs of every channel.
        """

    def channels(self, net: Supernet, images: Images, arch: Arch | None = None) -> ChannelScores:
        arch = net.space.largest() if arch is None else arch
        return self.channels_by(net, measure_moments(net, images, arch, self.num_images, self.seed), arch)

    def channels_by(self, net: Supernet, seen: Compensation, arch: Arch) -> ChannelScores:
        """The same from moments that are there."""
        attributes, layers = {}, {key: float(power.double().sum()) for key, power in seen.powers.items()}
        read: dict[str, float] = {}
        for (key, attribute), layer, channels in orderable(net, arch):
            scores = [
                self.groups(product, _scaled(product, net, key), groups)
                for product in seen.products.get(key, ())
                if (groups := _groups(product, channels)) is not None
            ]
            if scores:
                attributes[key, attribute] = torch.stack(scores).sum(dim=0)
                read[key] = max(read.get(key, 0.0), float(attributes[key, attribute].sum()))
            else:
                squares = {name: weight.detach().double().square() for name, weight in weights_of(layer).items()}
                attributes[key, attribute] = channels.sums(squares)
        return ChannelScores(attributes, channel_sums(weight_shares(net, arch), arch).streams, layers | read)


def _scaled(product: ProductMoments, net: Supernet, key: str) -> Tensor:
    layer = net.layers[key]
    assert isinstance(layer, Layer)
    weights = rows_of(product, layer.get_parameter(product.weight), (*product.answers, *product.inputs))
    return weights * product.gain.double().sqrt()[:, None]


def _groups(product: ProductMoments, channels: Channels) -> Tensor | None:
    """(size, m): which inputs of a product, laid out flat, belong to every channel; None if they do not lie there."""
    for where in channels.axes:
        axis = where.axis - len(product.answers)
        if where.name == product.weight and axis >= 0:
            places = torch.arange(product.mean.numel()).view(product.inputs).movedim(axis, 0)
            return places[: channels.size * where.block].reshape(channels.size, -1)
    return None
