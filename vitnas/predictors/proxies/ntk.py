"""Condition of the neural tangent kernel (As-ViT, Chen et al., 2022; TE-NAS, Chen et al., 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.predictors.proxies.proxy import Proxy, weights
from vitnas.search_spaces import Blueprint


class NTK(Proxy):
    """Minus the largest over the smallest eigenvalue of the Gram matrix of per-image gradients of the summed logits.

    Images are seen one at a time with the statistics of a fresh network, so batch normalisation joins no two.
    As-ViT takes 16 images and five networks; this takes fewer images and one network.
    """

    name = "ntk"
    num_images = 6

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        return -condition(kernel(network, images))


def kernel(network: nn.Module, images: Tensor) -> Tensor:
    """``(N, N)`` in double precision: inner products of the gradients of images."""
    network.eval()
    given = [weight for _, weight in weights(network)]
    rows = [torch.autograd.grad(network(image[None]).sum(), given, allow_unused=True) for image in images]
    found = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)
    for grads in zip(*rows, strict=True):
        if grads[0] is not None:
            flat = torch.stack([grad.flatten() for grad in grads]).double()
            found += flat @ flat.T
    return found


def condition(gram: Tensor) -> float:
    """Largest over smallest eigenvalue; what rounding leaves of a vanishing one is not taken for an eigenvalue."""
    values = torch.linalg.eigvalsh(gram)
    least = values[-1] * torch.finfo(torch.float64).eps * len(values)
    return float(values[-1] / torch.clamp(values[0], min=float(least))) if float(values[-1]) > 0 else float("nan")
