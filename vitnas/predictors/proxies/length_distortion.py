"""As-ViT's complexity (Chen et al., 2022, "Auto-scaling vision transformers without training"): how long a circle becomes."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from vitnas.predictors.proxies.intercept import without_norms
from vitnas.predictors.proxies.proxy import Proxy, pooled
from vitnas.search_spaces import Blueprint

NUM_POINTS = 10


class LengthDistortion(Proxy):
    """The logarithm of the length of what features make of a circle in the space of images.

    The sum over ten points of the circle of the norm of d features / d angle, without normalisations, features being
    the mean over the places of the last layer. A derivative along the circle takes one pass forwards (`by_jvp`); the
    released code goes back once for every feature (`by_backward`), which gives the same.
    """

    name = "length-distortion"

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        features = body(network)
        x, dx = circle(blueprint, images)
        with torch.no_grad(), without_norms():
            length = by_jvp(features, x, dx)
        return math.log(max(float(length), 1e-300))


def body(network: nn.Sequential) -> Callable[[Tensor], Tensor]:
    """From images to pooled features, all but the last layer."""
    network = network.eval()

    def features(x: Tensor) -> Tensor:
        for layer in list(network)[:-1]:
            x = layer(x)
        return pooled(x, network[-2])

    return features


def circle(blueprint: Blueprint, like: Tensor) -> tuple[Tensor, Tensor]:
    """Images on a random circle, and how they change with the angle."""
    size = math.prod(blueprint.in_shape)
    basis = torch.linalg.qr(torch.randn(size, 2, dtype=torch.float64)).Q
    angle = torch.linspace(0, 2 * math.pi, NUM_POINTS, dtype=torch.float64)
    x = torch.stack([angle.cos(), angle.sin()], dim=1) @ basis.T
    dx = torch.stack([-angle.sin(), angle.cos()], dim=1) @ basis.T
    x, dx = (t.reshape(NUM_POINTS, *blueprint.in_shape).to(like) for t in (x, dx))
    return x, dx


def by_jvp(features: Callable[[Tensor], Tensor], x: Tensor, dx: Tensor) -> Tensor:
    """In one pass: the derivative of all features along the circle."""
    tangent: Tensor = torch.func.jvp(features, (x,), (dx,))[1]
    return _length(tangent)


def by_backward(features: Callable[[Tensor], Tensor], x: Tensor, dx: Tensor) -> Tensor:
    """One pass back for every feature, as published; the check on `by_jvp`."""
    x = x.detach().requires_grad_()
    columns = [torch.autograd.grad(c.sum(), x, retain_graph=True)[0] for c in features(x).unbind(dim=1)]
    return _length(torch.stack([(column * dx).flatten(1).sum(dim=1) for column in columns], dim=1))


def _length(tangent: Tensor) -> Tensor:
    return tangent.double().square().sum(dim=1).sqrt().sum()
