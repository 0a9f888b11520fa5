"""DSS (TF-TAS, Zhou et al., 2022, "Training-free transformer architecture search")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.errors import SearchError
from vitnas.predictors.proxies.proxy import Proxy, weights
from vitnas.search_spaces import Blueprint


class DSS(Proxy):
    """Synaptic diversity of attention plus synaptic saliency of everything else.

    All weights by their magnitude, the image all ones, the loss the sum of the outputs. Diversity of a matrix of
    attention is the nuclear norm of its gradient times its own; saliency is the sum of weight times gradient. The paper
    knows MHSA and MLP; convolutions count as MLP here. In double precision, as networks with batch normalisation
    hold nothing back before they have seen images.
    """

    name = "dss"

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        kinds = dict(zip(blueprint.sites, (spec.kind for spec in blueprint), strict=True))
        if not any("attention" in kind or "transformer" in kind for kind in kinds.values()):
            raise SearchError(
                f"proxy 'dss' measures attention, of which there is none among {sorted(set(kinds.values()))}; "
                "choose another, such as synflow"
            )
        found = {n: p for n, p in weights(network.double()) if n.split(".")[0] in kinds}
        values = gradients_of_ones(network, blueprint, list(found.values()))
        if not all(value.isfinite().all() for value in values):
            raise SearchError(
                "proxy 'dss': gradients of this network leave double precision once all weights are positive; choose "
                "another, such as naswot"
            )
        total = 0.0
        for (name, weight), grad in zip(found.items(), values, strict=True):
            kind = kinds[name.split(".")[0]]
            if "attention" in kind or "transformer" in kind:
                total += _nuclear(weight.detach()) * _nuclear(grad)
            elif not kind.endswith(("classifier", "head", "stem", "embedding")):
                total += float((weight.detach() * grad).double().sum())
        return total


def gradients_of_ones(network: nn.Module, blueprint: Blueprint, wanted: list[nn.Parameter]) -> list[Tensor]:
    """Gradients of the summed output for an image of ones, once all parameters are their magnitudes."""
    network.eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    ones = torch.ones(1, *blueprint.in_shape, dtype=wanted[0].dtype, device=wanted[0].device)
    grads = torch.autograd.grad(network(ones).sum(), wanted, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, grads, strict=True)]


def _nuclear(weight: Tensor) -> float:
    """The sum of the singular values of a weight whose last axis, or all but the first of a kernel, are its inputs."""
    matrix = weight.flatten(0, -2) if weight.ndim == 4 and weight.shape[0] == 3 else weight.flatten(1)
    return float(torch.linalg.svdvals(matrix.double()).sum())
