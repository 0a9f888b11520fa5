"""Weight shares: a weight among those of its layer that are as large, as DIMAP has it, without any data."""

from __future__ import annotations

import torch
from torch import Tensor

from vitnas.search_spaces import Arch
from vitnas.supernets.layers import Layer
from vitnas.supernets.pruning.of_weights import blank_copy, weights_of
from vitnas.supernets.supernet import Supernet


@torch.no_grad()
def weight_shares(net: Supernet, arch: Arch | None = None) -> Supernet:
    """A copy whose weights are the squares of the weights, over the sums of those of their layers that are not smaller.

    Args:
        net: it is left as it was.
        arch: whose weights are held against one another, by default all.
    """
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
