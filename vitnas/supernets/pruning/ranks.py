"""Ranks: weights of low rank turned so that a lower rank is what a singular value decomposition leaves of them."""

from __future__ import annotations

import torch

from vitnas.search_spaces import Arch
from vitnas.supernets.compensation import Compensation, ProductMoments, rows_of
from vitnas.supernets.layers import Layer
from vitnas.supernets.layers.low_rank import LowRankProduct
from vitnas.supernets.supernet import Supernet

LEAST = 1e-6
"""The smallest variance that counts, as a share of the largest: what never varies has to have an inverse."""


@torch.no_grad()
def turn_ranks(net: Supernet, seen: Compensation, arch: Arch) -> None:
    """Turns the two weights of every product of low rank, so that each of its ranks is the best for the images that were seen.

    Args:
        net: the arch answers as before; moments of its inputs have to be taken anew.
        seen: on this network, see `measure_moments`.
        arch: the network that was given.
    """
    training = net.training
    net.eval()  # so that slices are the shared weights
    for site, spec in net.space.lower(arch).items():
        key = f"{site}-{spec.kind}"
        layer = net.layers[key]
        assert isinstance(layer, Layer)
        modules = dict(layer.at(spec).named_modules())
        for moments in seen.products.get(key, ()):
            owner, _, name = moments.weight.rpartition(".")
            product = modules[owner]
            if isinstance(product, LowRankProduct) and name == "up":
                turn(product, moments)
    net.train(training)


@torch.no_grad()
def turn(product: LowRankProduct, moments: ProductMoments) -> None:
    """Writes W = U D as U' D' with a basis between the two in which what passes there is uncorrelated, the most telling first.

    With z = D x + d of covariance C = R R^T, and answers weighed by their gains G, the eigenvectors V of R^T U^T G U R, the
    largest eigenvalue first, give U' = U R V and D' = V^T R^-1 D. Cut to rank r they leave an error of the sum of all
    eigenvalues after the first r, the least that rank r can leave (Eckart and Young). Means are taken into the biases, so
    that what is cut off has none.
    """
    up = rows_of(moments, product.up, tuple(product.up.shape))
    down, mean = product.down.double().cpu(), moments.mean.double()
    values, basis = torch.linalg.eigh(moments.covariance.double())
    spread = values.clamp(min=LEAST * max(float(values.max()), 1e-30)).sqrt()
    root = basis * spread
    weighed = moments.gain.double().sqrt()[:, None] * (up @ root)
    vectors = torch.linalg.eigh(weighed.T @ weighed).eigenvectors.flip(1)
    turned = (vectors / spread[:, None]).T @ basis.T
    new_up, new_down = up @ root @ vectors, turned @ down.flatten(1)
    sizes = new_up.norm(dim=0), new_down.norm(dim=1)
    alike = torch.where((sizes[0] > 0) & (sizes[1] > 0), (sizes[1] / sizes[0]).sqrt(), 1.0)
    bias = turned @ (product.down_bias.double().cpu() - mean)
    product.up_bias.add_((up @ mean).view_as(product.up_bias).to(product.up_bias))
    product.up.copy_((new_up * alike).view_as(product.up))
    product.down.copy_((new_down / alike[:, None]).view_as(product.down))
    product.down_bias.copy_(bias / alike)
