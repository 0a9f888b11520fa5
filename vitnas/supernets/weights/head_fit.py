"""A classifier for other classes than a network was trained for, by logistic regression on what enters it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import Arch, LayerSpec
from vitnas.supernets.data import Images
from vitnas.supernets.layers import build
from vitnas.supernets.recalibration import recalibrate
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.pretrained import shared_layers
from vitnas.supernets.weights.pretrained.matching import class_tensors

IMAGES = 2000
"""Training images that are looked at, at most."""
BATCH_SIZE = 64
DECAY = 1e-3
"""Of the weights over standardised features, beside the mean loss of an image."""
ITERATIONS = 100


def fit_head(net: Supernet, arch: Arch, images: Images, seed: int = 0) -> int:
    """Gives the classifier of an arch the weights that tell the classes of images best; nothing else changes.

    One forward pass over the images, then a convex problem: seconds where a training takes minutes.

    Args:
        net: whose classifier is fitted, on the shared weights.
        arch: whose features count; the classifier of smaller archs is a part of it.
        images: with their labels.
        seed: of which images, where there are more than `IMAGES`.

    Returns:
        How many images were looked at.
    """
    blueprint = net.space.lower(arch)
    site, spec = blueprint.sites[-1], blueprint.layers[-1]
    network = net.extract(arch).eval()
    recalibrate(network, images)
    *body, head = network
    weight, bias = _logistic(*_features(body, reading(spec, head), images.sample(IMAGES, seed)), spec.out_shape[0])
    shared = shared_layers(net, arch)[site].state_dict()
    with torch.no_grad():
        for name in class_tensors(spec):
            shared[name].copy_(weight if name.endswith("weight") else bias)  # alike in each of several heads
    return min(IMAGES, len(images))


@torch.no_grad()
def reading(spec: LayerSpec, head: nn.Module) -> nn.Module:
    """A classifier that answers what its last product is given: the same one, with the identity as that product."""
    own = head.state_dict()
    names = class_tensors(spec)
    width = next(own[name].shape[-1] for name in sorted(names) if name.endswith("weight"))
    layer = build(replace(spec, out_shape=(width,))).eval()
    for name, tensor in layer.state_dict().items():
        if name not in names:
            tensor.copy_(own[name])
        elif name.endswith("weight"):
            tensor.copy_(torch.eye(width))
        else:
            tensor.zero_()
    return layer


def _features(body: Sequence[nn.Module], head: nn.Module, images: Images) -> tuple[Tensor, Tensor]:
    """What enters the last product of a network, and the labels."""
    network = nn.Sequential(*body, head)
    with torch.no_grad():
        seen = [(network(x), y) for x, y in images.batches(BATCH_SIZE)]
    return torch.cat([x for x, _ in seen]), torch.cat([y for _, y in seen])


def _logistic(features: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """The weights and biases of the least cross-entropy, a small decay of the weights included."""
    mean, deviation = features.mean(0), features.std(0).clamp(min=1e-6)
    x = (features - mean) / deviation
    weight = torch.zeros(classes, x.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        found = F.cross_entropy(F.linear(x, weight, bias), labels) + DECAY / 2 * weight.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    solver.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        scaled = weight / deviation
        return scaled, bias - scaled @ mean
