"""The maps that stand in for layers that are left out of a given network, fitted to images without labels."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from vitnas.errors import DataError
from vitnas.search_spaces import Arch
from vitnas.search_spaces.pruned.pruned_space import map_site
from vitnas.supernets.data import Images
from vitnas.supernets.layers.residual_map import ResidualMap
from vitnas.supernets.pruning.affine import AffineFit
from vitnas.supernets.recalibration import recalibrate
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import CPU

IMAGES, BATCH_SIZE = 512, 32


def maps_of(net: Supernet) -> dict[str, ResidualMap]:
    """The maps of a supernet, by the site of the layer that each stands in for."""
    found = {key.partition("-")[0]: layer for key, layer in net.layers.items() if isinstance(layer, ResidualMap)}
    sites = (site.name for site in net.space.lowering.sites)
    return {site: found[map_site(site)] for site in sites if map_site(site) in found}


@torch.no_grad()
def fit_residual_maps(net: Supernet, arch: Arch, images: Images, seed: int = 0) -> int:
    """Gives every map the weights with which it comes nearest to the layer that it stands in for.

    One forward pass of the network, on a processor. Labels are not looked at.

    Args:
        net: whose maps are fitted.
        arch: the network that was given.
        images: of which a sample is taken.
        seed: of the sample.

    Returns:
        How many maps were fitted.
    """
    maps = maps_of(net)
    if not maps:
        return 0
    if len(images) == 0:
        raise DataError("maps in place of layers are fitted to what goes through a network; give at least one image")
    network = net.uncompensated(arch).to(CPU).eval()
    recalibrate(network, images)
    fits: defaultdict[str, AffineFit] = defaultdict(AffineFit)
    for x, _ in images.sample(IMAGES, seed).batches(BATCH_SIZE):
        for site, layer in network.named_children():
            before, x = x, layer(x)
            if site not in maps:
                continue
            fits[site].see(rows_of(before), rows_of(x - before))
    for site, fit in fits.items():
        weight, bias = fit.solve()
        maps[site].weight.copy_(weight)
        maps[site].bias.copy_(bias)
    return len(fits)


def rows_of(stream: Tensor) -> Tensor:
    """(rows, channels): a batch of tokens (B, T, C) or maps (B, C, H, W), a row a token or place."""
    return stream.movedim(1 if stream.ndim == 4 else -1, -1).flatten(0, -2)
