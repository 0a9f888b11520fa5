"""Taylor: the change of the loss when a channel is set to zero, its weights taken together before they are squared."""

from __future__ import annotations

import torch
from torch import Tensor

from vitnas.search_spaces import Arch
from vitnas.supernets.data import Images
from vitnas.supernets.pruning.importance import Importance
from vitnas.supernets.pruning.importances.weight_gradient import BATCH_SIZE, by_labels
from vitnas.supernets.pruning.of_weights import blank_copy, channel_sums, working_copy
from vitnas.supernets.pruning.order import ChannelScores
from vitnas.supernets.supernet import Supernet


class Taylor(Importance):
    """The sum over batches of (sum over the weights of a channel of weight x gradient)^2, as NViT has it.

    What weights of one channel do to the loss may cancel out, which the sum of their squares does not see.
    """

    def channels(self, net: Supernet, images: Images, arch: Arch | None = None) -> ChannelScores:
        arch = net.space.largest() if arch is None else arch
        own = working_copy(net, images, arch)
        device = next(own.parameters()).device
        total: ChannelScores | None = None
        for x, y in images.sample(self.num_images, self.seed).batches(BATCH_SIZE):
            own.zero_grad()
            by_labels(own, arch, x.to(device), y.to(device)).backward()  # type: ignore[no-untyped-call]
            change = blank_copy(own)
            with torch.no_grad():
                for to, weight in zip(change.parameters(), own.parameters(), strict=True):
                    to.copy_(weight * weight.grad if weight.grad is not None else torch.zeros_like(weight))
            total = _added(total, channel_sums(change, arch))
        assert total is not None
        return total


def _added(total: ChannelScores | None, found: ChannelScores) -> ChannelScores:
    attributes = {place: score.square() for place, score in found.attributes.items()}
    streams: tuple[Tensor | None, ...] = tuple(None if s is None else s.square() for s in found.streams)
    if total is None:
        return ChannelScores(attributes, streams)
    return ChannelScores(
        {place: score + total.attributes[place] for place, score in attributes.items()},
        tuple(None if s is None or t is None else s + t for s, t in zip(streams, total.streams, strict=True)),
    )
