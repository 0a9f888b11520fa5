"""DIMAP's share (Data-independent Module-Aware Pruning): a weight among those of its layer that are as large; no data."""

from __future__ import annotations

import torch
from torch import Tensor

from vitnas.search_spaces import Arch
from vitnas.supernets.data import Images
from vitnas.supernets.layers import Layer
from vitnas.supernets.pruning.of_weights import OfWeights, blank_copy, weights_of
from vitnas.supernets.supernet import Supernet


class WeightShare(OfWeights):
    """The square of a weight over the sum of the squares of all weights of its layer that are not smaller.

    The largest weight of every layer has 1, so that layers of small weights are not thought to matter less. Vectors,
    such as biases and the scales of norms, are no weights of a map and count nothing. Images are not looked at.
    """

    @torch.no_grad()
    def weights(self, net: Supernet, images: Images, arch: Arch | None = None) -> Supernet:
        own = blank_copy(net)
        used = {f"{site}-{spec.kind}": spec for site, spec in net.space.lower(arch).items()} if arch is not None else {}
        for key, layer in own.layers.items():
            assert isinstance(layer, Layer)
            seen = weights_of(layer.at(used.get(key, layer.spec)))
            maps = [weight for name, weight in seen.items() if weight.ndim > 1 and not name.endswith("bias")]
            if maps:
                shares = _shares(torch.cat([weight.flatten() for weight in maps]))
            for weight in seen.values():
                if not any(weight is one for one in maps):
                    weight.zero_()
            for weight in maps:
                weight.copy_(shares[: weight.numel()].view_as(weight))
                shares = shares[weight.numel() :]
        return own


def _shares(weights: Tensor) -> Tensor:
    squares = weights.double().square()
    order = torch.sort(squares, descending=True, stable=True)
    shares = torch.empty_like(squares)
    shares[order.indices] = order.values / order.values.cumsum(0).clamp(min=1e-300)
    return shares
