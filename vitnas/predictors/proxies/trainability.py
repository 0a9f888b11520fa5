"""AZ-NAS's trainability (Lee and Ham, 2024): no layer should blow gradients up or let them vanish."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitnas.predictors.proxies.proxy import Proxy, by_place
from vitnas.search_spaces import Blueprint


class Trainability(Proxy):
    """The mean over layers of 2 - s - 1/s, where s is the spectral norm of the layer's Jacobian between channels.

    Random signs are sent back through each layer; as they are uncorrelated, the products of what comes out with what
    went in estimate the Jacobian. Where the number of places changes, gradients are summed over the places that one
    output stands for; where tokens begin, which have no such places, the layer is left out.
    """

    name = "trainability"
    num_images = 4

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        network.train()
        layers = list(network)[:-1]
        x = images
        found = []
        for before, layer in zip([None, *layers], layers, strict=False):
            x = x.detach().requires_grad_()
            y = layer(x)
            signs = torch.randint(2, y.shape).to(y) * 2 - 1
            (back,) = torch.autograd.grad(y, x, signs)
            rows = by_place(signs, layer)
            if before is not None and (came := _per_output(back, y, before, rows.shape[1])) is not None:
                jacobian = came.flatten(0, 1).T @ rows.flatten(0, 1) / rows[..., 0].numel()
                norm = float(torch.linalg.matrix_norm(jacobian.double(), 2))
                found.append(2 - norm - 1 / max(norm, 1e-12))
            x = y
        return sum(found) / max(len(found), 1)


def _per_output(back: Tensor, y: Tensor, before: nn.Module, places: int) -> Tensor | None:
    if back.ndim == 4 and y.ndim == 4 and back.shape[2:] != y.shape[2:]:
        area = back.shape[2] * back.shape[3] / places
        back = torch.nn.functional.adaptive_avg_pool2d(back, (y.shape[2], y.shape[3])) * area
    rows = by_place(back, before)
    return rows if rows.shape[1] == places else None
